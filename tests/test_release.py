"""What a release says of itself: one version everywhere, and a package of files alone, without links."""

from pathlib import Path

import chapter14

ROOT = Path(__file__).parents[1]


def test_citation_and_changelog_have_the_version():
    assert f"\nversion: {chapter14.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {chapter14.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_there_is_no_link_in_the_package():
    assert [path for path in (ROOT / "chapter14").rglob("*") if path.is_symlink()] == []
