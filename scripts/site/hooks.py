"""Hooks of mkdocs (mkdocs.yml): the repository's own Markdown becomes the site, and no text is stated twice.

The README is its first page. Files outside docs/ that a page links to are part of the site, source files as text.
The lesson's links lead to them.
Notebooks and docstrings become Markdown (notebooks.py, reference.py), and equations get their code (equations.py).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import equations
import notebooks
import reference
from mkdocs.structure.files import File, Files

from chapter14.lesson import page as lesson

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
LINK = re.compile(r'(\]\(|src=")(?!https?:|#|data:)([^)#"]*)')


def on_files(files: Files, config: Any) -> Files:
    def add(uri: str, **content: Any) -> None:
        files.append(File.generated(config, uri, **content))

    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            page = notebooks.page(Path(config["docs_dir"]) / file.src_uri)
            add(file.src_uri.replace(".ipynb", ".md"), content=page)
    add("index.md", abs_src_path=str(ROOT / "README.md"))
    for name in PAGES:
        add(name, abs_src_path=str(ROOT / name))
    for path in sorted((ROOT / "assets").rglob("*")):
        if path.suffix in (".png", ".svg", ".webp"):
            add(path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
    for path in [*sorted((ROOT / "chapter14").rglob("*.py")), ROOT / "NOTICE"]:
        add(_uri(path.relative_to(ROOT).as_posix()), abs_src_path=str(path))
    files.remove(files.get_file_from_path("chapter.html"))
    add("chapter.html", content=lesson.page("source/chapter14", ".txt"))
    for name in ("worker.js", "site.css"):
        add(f"source/{name}", abs_src_path=str(Path(__file__).with_name(name)))
    for uri, page in reference.pages().items():
        add(uri, content=page)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    uri = page.file.src_uri
    markdown = re.sub(r"(\]\(\d\w+)\.ipynb\)(?!: this page)", r"\1.md)", markdown)  # a notebook's page
    if uri == "equations.md":
        markdown = equations.with_code(markdown)
    if uri not in ("index.md", *PAGES) and not (ROOT / "docs" / uri).exists():
        return markdown  # it was written for the site
    origin = "" if uri in ("index.md", *PAGES) else posixpath.dirname(f"docs/{uri}")

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(origin, found[2]))
        here = posixpath.dirname(uri) or "."
        return found[1] + posixpath.relpath(_uri(path), here) if (ROOT / path).is_file() else found[0]

    return LINK.sub(link, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """The theme would load a script from elsewhere, with which the search works in a file; ours is in the site."""
    here = posixpath.dirname(page.file.src_uri) or "."
    ours = posixpath.relpath("source/worker.js", here)
    return output.replace("https://unpkg.com/iframe-worker/shim", ours)


def _uri(path: str) -> str:
    """Where a file of the repository is in the site."""
    if path in ("README.md", "docs/README.md"):
        return "index.md"
    if path.endswith(".py") or path == "NOTICE":
        return f"source/{path}.txt"
    return path.removeprefix("docs/")
