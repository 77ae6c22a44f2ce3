"""The chips of the lesson page: an equation's number shows the equation and leads to its code, offline."""

import re
from pathlib import Path

import pytest

from chapter14.lesson.equations import CODE, PART, TEXT, line

from .modes import MODES, to

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_each_text_has_its_code():
    assert set(TEXT) <= set(CODE) and all((ROOT / "chapter14" / file).is_file() for file, _ in CODE.values())


@pytest.mark.parametrize("n", TEXT)
def test_the_line_of_an_equation_is_one_of_its_code(n):
    number, code = line(n)
    file, name = CODE[n]
    lines = (ROOT / "chapter14" / file).read_text(encoding="utf-8").splitlines()
    assert lines[number - 1].strip() == code and PART.get(n, name.rpartition(".")[2]) in code
    assert lines.count(lines[number - 1]) == 1 or n not in PART  # the browser scrolls to the first of several


def test_each_part_is_of_an_equation_on_the_page():
    assert set(PART) <= set(TEXT)


@pytest.mark.parametrize("mode", MODES)
def test_every_number_on_the_page_is_a_chip(mode, opened):
    tab = opened()
    to(tab, mode)
    for k in range(tab.evaluate("steps.length")):
        tab.evaluate(f"go({k})")
        cited = tab.evaluate("steps[state.step].equations")
        assert tab.locator("#equations button").all_inner_texts() == [f"({n})" for n in cited]
        assert not re.search(r"\(14\.\d", tab.inner_text("#say"))


def test_a_chip_by_keyboard(opened):
    """Focus shows the equation, Tab goes to the link to its code, Escape closes it and leaves the focus."""
    tab = opened("#chain/13")
    chips, bubbles = tab.locator("#equations button"), tab.locator("#equations .bubble:visible")
    assert chips.all_inner_texts() == ["(14.8)", "(14.19)", "(14.29)"] and bubbles.count() == 0
    tab.locator("#asks").focus()
    tab.keyboard.press("Tab")
    number, code = line("14.8")
    assert bubbles.inner_text() == f"∂J/∂θ = gout Lθ\n{code}\nLayer.backward in layer/base.py:{number}"
    tab.keyboard.press("ArrowRight")
    number, code = line("14.19")
    assert f"slow_backward in layer/jacobians.py:{number}" in bubbles.inner_text() and bubbles.count() == 1
    tab.keyboard.press("Tab")
    href = tab.evaluate("document.activeElement.getAttribute('href')")
    assert href.startswith(f"../chapter14/layer/jacobians.py#L{number}:~:text=") and code in bubbles.inner_text()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Escape")
    assert bubbles.count() == 0 and tab.evaluate("document.activeElement.textContent") == "(14.19)"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_chip_by_mouse(width, opened):
    tab = opened("#chain/13", width)
    bubble = tab.locator("#equations .bubble:visible")
    tab.locator("#equations button").last.hover()
    box = bubble.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    bubble.locator("a").hover()
    tab.wait_for_timeout(300)
    assert bubble.count() == 1  # it stays while the mouse is in it
    tab.locator("h1").hover()
    tab.wait_for_timeout(300)
    assert bubble.count() == 0
    tab.locator("#equations button").last.click()
    assert bubble.count() == 1


def test_each_link_of_the_committed_page_opens_its_code(chromium):
    context = chromium.new_context(offline=True)
    tab = context.new_page()
    tab.goto((ROOT / "docs" / "chapter.html").as_uri())
    links = tab.evaluate("Object.keys(EQUATIONS).map(n => [n, chip(n).querySelector('a').href])")
    assert [n for n, _ in links] == list(TEXT)
    for n, link in dict(links).items():
        tab.goto(link)
        file, name = CODE[n]
        assert all(part in tab.inner_text("body") for part in name.split(".")), (n, file)
    context.close()
