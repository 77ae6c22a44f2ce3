"""The lesson page, opened from a file in a browser."""

import pytest

from chapter14.lesson.page import page


@pytest.fixture(scope="module")
def written():
    return page()


@pytest.fixture
def opened(tabs, written, tmp_path):
    """Opens the page from a file, offline; any request, console message or error fails the test."""
    (tmp_path / "chapter.html").write_text(written, encoding="utf-8")
    with tabs.opener((tmp_path / "chapter.html").as_uri()) as open:
        yield open
