"""The terms of the lesson page: marked at their first use in a step, with their definition on hover and focus."""

import re

import pytest

from .modes import MODES, to

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", MODES)
def test_each_term_is_marked_once_in_a_step_and_not_the_text_changed(mode, opened):
    tab = opened()
    to(tab, mode)
    for k in range(tab.evaluate("steps.length")):
        tab.evaluate(f"go({k})")
        definitions = tab.locator("#say .definition").evaluate_all("e => e.map(e => e.textContent)")
        assert len(definitions) == len(set(definitions))
        plain = "make('p', {}, prose(steps[state.step].say)).innerText"
        shown = "[...$('say').querySelectorAll('.bubble')].forEach(e => e.remove()); return $('say').textContent"
        assert tab.evaluate(f"(() => {{ {shown} }})()") == tab.evaluate(plain.replace("innerText", "textContent")), k


def test_every_term_occurs(opened):
    """In some step of some example, and each definition is stated once."""
    tab, found = opened(), set()
    for mode in MODES:
        to(tab, mode)
        for k in range(tab.evaluate("steps.length")):
            tab.evaluate(f"go({k})")
            found |= set(tab.locator("#say .definition").evaluate_all("e => e.map(e => e.textContent)"))
    every = tab.evaluate("Object.values(GLOSSARY).map(text => make('p', {}, prose(text)).textContent)")
    assert found == set(every) and len(every) == len(set(every))


def test_a_term_by_keyboard_and_mouse(opened):
    tab = opened("#chain/5")
    terms, bubbles = tab.locator("#say .defined"), tab.locator("#say .bubble:visible")
    assert (
        terms.all_inner_texts() == ["backward pass", "gradient", "cost", "prediction", "g", "row vector"]
        and bubbles.count() == 0
    )
    tab.locator("#equations button").first.focus()
    for _ in range(3):  # its bubble's link, and then the terms, which are one tab stop
        tab.keyboard.press("Tab")
        if tab.locator("#say :focus").count():
            break
    assert bubbles.inner_text().startswith("Each layer computes the gradient of its inputs")
    described = tab.evaluate(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby')).innerText"
    )
    assert described == bubbles.inner_text()
    tab.keyboard.press("End")
    assert bubbles.count() == 1 and bubbles.inner_text().startswith("A matrix with one row.")
    tab.keyboard.press("Escape")
    assert bubbles.count() == 0
    terms.nth(4).hover()
    assert "delta" in re.sub(r"\s+", " ", bubbles.inner_text())
    assert tab.evaluate("state.step") == 5
