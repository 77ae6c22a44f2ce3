"""The site of mkdocs.yml: it builds without a warning, has every public name, and works as files without a network."""

import ast
import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock  # torch needs it, too

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MODULES = ("chapter14", "chapter14.nn", "chapter14.functional", "chapter14.graph", "chapter14.visualization")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, which one of the processes that run tests builds for all."""
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "site"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            build(folder)
    return folder


def build(folder):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def pages_of(site):
    """All pages but that of a server's error."""
    return [page for page in site.rglob("*.html") if page.name != "404.html"]


def exported(module):
    """The names that a module of the package imports for others, `from .x import y as y`."""
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [a.asname for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names if a.asname]
    values = {name: getattr(importlib.import_module(module), name) for name in names if not name.startswith("_")}
    return [name for name, value in values.items() if type(value).__name__ != "module"]


@pytest.mark.parametrize("module, least", [*zip(MODULES, (15, 150, 200, 3, 45), strict=True)])
def test_the_reference_has_every_public_name(module, least, site):
    text = (site / "reference" / f"{module.removeprefix('chapter14.')}.html").read_text(encoding="utf-8")
    names = exported(module)
    assert len(names) >= least and [name for name in names if f'id="{module}.{name}"' not in text] == []


def test_the_reference_has_the_names_for_tests(site):
    text = (site / "reference" / "testing.html").read_text(encoding="utf-8")
    assert all(f'id="chapter14.testing.{name}"' in text for name in ("check_gradient", "example"))


def test_every_name_is_described(site):
    for page in (site / "reference").glob("*.html"):
        for name, entry in re.findall(r'<h2 id="(chapter14[^"]+)">(.*?)(?=<h2 id=|</article>)', page.read_text(), re.S):
            assert len(re.findall(r"<p>\w", entry)) or name.endswith(("ROBUST", "TRANSFORMS")), name


def test_each_equation_has_its_code(site):
    text = html.unescape((site / "equations.html").read_text(encoding="utf-8"))
    sections = text.split("<h3 id=")[1:]
    assert len(sections) == 48 and all(section.count("<pre") >= 2 for section in sections)


def test_nothing_is_loaded_from_elsewhere(site):
    for page in pages_of(site):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="?(?:https?:)?//[^>]*', text) == [], page
        assert re.findall(r'<link[^>]*rel="?(?:stylesheet|preconnect)"?[^>]*https?:[^>]*', text) == [], page


def test_every_link_leads_to_a_file(site):
    for page in pages_of(site):
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|data:|javascript:|mailto:", link):
                assert (page.parent / html.unescape(link)).is_file(), f"{page}: {link}"


def test_the_lesson_leads_to_the_code_of_its_equations(site):
    text = (site / "chapter.html").read_text(encoding="utf-8")
    package, suffix = re.search(r'"links":\{"package":"([^"]+)","suffix":"([^"]+)"', text).groups()
    files = set(re.findall(r'"file":"([^"]+)"', text))
    assert len(files) > 5 and all((site / package / f"{file}{suffix}").is_file() for file in files)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_search_finds_a_name_offline(site, chromium, scheme):
    context = chromium.new_context(offline=True, color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("saved_bytes")
    link = page.locator(".md-search-result__link[href*='reference/chapter14.html']").first
    link.wait_for()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()
    assert complaints == [] and (colour == "rgb(255, 255, 255)") == (scheme == "light")
