"""The lesson page, opened from a file in a browser."""

import pytest

from chapter14.lesson.page import page


@pytest.fixture(scope="module")
def written():
    return page()


@pytest.fixture
def opened(chromium, written, tmp_path):
    """Opens the page from a file, offline; any request, console message or error fails the test."""
    (tmp_path / "chapter.html").write_text(written, encoding="utf-8")
    messages, contexts = [], []

    def open(at="", width=1280, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("request", lambda r: r.url.startswith("file:") or messages.append(r.url))
        tab.goto((tmp_path / "chapter.html").as_uri() + at)
        return tab

    yield open
    for context in contexts:
        context.close()
    assert messages == []
