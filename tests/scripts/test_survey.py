"""scripts/survey_functions.py: its mechanism on a small library; and docs/survey.md has its format and its code."""

import sys

import pytest

from .test_scripts import SCRIPTS, run

sys.path.insert(0, str(SCRIPTS))

import survey_functions  # noqa: E402
from survey.entries import ENTRIES, Entry  # noqa: E402
from survey.findings import FINDINGS, Finding  # noqa: E402

PAGE = (SCRIPTS.parent / "docs" / "survey.md").read_text(encoding="utf-8")

LIBRARY = """
from torch.autograd import Function


class Doubled(Function):
    @staticmethod
    def forward(ctx, x, k):
        return 2 * k * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g, None
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Its name in the index, with a version, and its module."""
    (tmp_path / "chapter14_fake.py").write_text(LIBRARY)
    (tmp_path / "chapter14_fake-1.2.dist-info").mkdir()
    (tmp_path / "chapter14_fake-1.2.dist-info" / "METADATA").write_text("Name: chapter14-fake\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "chapter14-fake"
    sys.modules.pop("chapter14_fake", None)


def entry(library, k, name="Doubled", **options):
    return Entry(library, f"chapter14_fake:{name}", lambda draw, n: (draw(n, 4), k), **options)


def test_a_library(library, monkeypatch):
    monkeypatch.setattr(survey_functions, "CHECKS", survey_functions.CHECKS[:4])
    entries = [
        entry(library, 1),
        entry(library, 3, like=lambda x, k: 6 * x, note="|k| = 3"),
        entry(library, 3, on_purpose="doubled"),
        entry(library, 3, name="Tripled"),
    ]
    finding = Finding(library, "It is wrong", "In words.", "import chapter14_fake\nprint(chapter14_fake.Doubled)")
    page = survey_functions.page(entries, [finding])
    right, wrong, declared, skipped = [line for line in page.splitlines() if line.startswith("| chapter14-fake")]
    assert right == "| chapter14-fake 1.2 | Doubled | derivative | 2 | 0 | 0 |  |"
    assert wrong.startswith(
        "| chapter14-fake 1.2 | Doubled, \\|k\\| = 3 | derivative | 2 | 2 | 0 | dJ/dx is 0.333333 times"
    )
    assert declared == "| chapter14-fake 1.2 | Doubled | doubled | 1 | 0 | 0 |  |"
    assert skipped.startswith("| chapter14-fake | Tripled | derivative | - | - | - | skipped: AttributeError: ")
    assert "3 Functions of 1 libraries. Of these, 2 are right, and 1 have" in " ".join(page.split())
    assert page.endswith("```text\n<class 'chapter14_fake.Doubled'>\n```\n")


def test_a_library_that_is_missing():
    said = survey_functions.printed(Finding("none", "", "", "import chapter14_no_such_library"))
    assert said == "skipped: No module named 'chapter14_no_such_library'"
    (row,) = survey_functions.survey([Entry("none", "chapter14_no_such_library:F", "B N")])
    assert "skipped: ModuleNotFoundError: No module named 'chapter14_no_such_library'" in str(row)


@pytest.mark.slow
def test_the_command(tmp_path):
    assert survey_functions.HEADER in run("survey_functions.py", "--those", "no-such-library")


def test_the_libraries_to_install_are_those_of_the_table():
    lines = survey_functions.__doc__.partition("--no-deps ")[2].partition("pip install")[0]
    assert {*lines.replace("\\", "").split()} == {e.library for e in ENTRIES}


def test_the_page_has_the_format_and_the_code_of_the_script():
    table = PAGE[PAGE.index(survey_functions.HEADER) :].partition("\n\n")[0]
    cells = [[cell.strip() for cell in row.replace("\\|", "¦").split("|")[1:-1]] for row in table.splitlines()[2:]]
    declared = [[e.library, e.name, e.on_purpose or "derivative"] for e in ENTRIES]
    assert [[row[0].partition(" ")[0], *row[1:3]] for row in cells] == declared
    assert all(row[6] if row[3] == "-" or int(row[4]) else not row[6] for row in cells)
    for finding in FINDINGS:
        words = PAGE.partition(f"### {finding.title}\n\n")[2].partition("\n\n")[0]
        assert words.split() == finding.words.split()
        assert f"\n\n```py\n{finding.code}\n```\n\n```text\n" in PAGE
