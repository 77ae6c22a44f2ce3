"""Predict, then reveal: what the lesson page asks, and that the answers are those of the package."""

import re

import pytest

from chapter14.lesson.examples import numbers

from .modes import MODES, example_of, to

pytestmark = pytest.mark.slow


def expected(mode, step, ask, values=None):
    """The right answer of a step's question about an entry or a shape, from the package's numbers."""
    example = example_of(mode)
    found = numbers(example, "relu", values)
    x, g, L = found["x"], found["g"], found["L"]
    i = int(re.findall(r"\[(\d)[],]", ask)[-1]) if "[" in ask else None
    made, line, layer = step["makes"], step["line"], step.get("layer")
    if line == 9:
        return ["negative", "zero", "positive"][int(g[made[0].replace("g", "x")][i].sign()) + 1]
    if line == 11:
        return " × ".join(map(str, L[layer["writes"][0]][len(made) - 1].shape))
    if line == 12 and layer["f"] == "h":
        assert x[layer["reads"][0]][i] < 0 or (x[layer["reads"][0]] >= 0).all()  # where relu' is 0, if it is anywhere
    if line == 12:
        return float(g[layer["reads"][0]][i])
    if line == "sum":
        return float(g["W"][0, 0])
    free = g[example.free[0]]
    return [i for i, row in enumerate(free) if row.abs().sum() > 0]


def answer(tab, right):
    if isinstance(right, str):
        tab.check(f'#options [value="{right}"]')
    elif isinstance(right, list):
        for i in right:
            tab.locator("#options input").nth(i).check()
    else:
        tab.fill("#options input", f"{right:.2f}")
    tab.get_by_role("button", name="Answer").click()


@pytest.mark.parametrize("mode", MODES)
def test_the_right_answer_is_the_packages(mode, opened):
    """And it is asked again, about other numbers, when an input was changed."""
    tab = opened()
    to(tab, mode)
    asked = [k for k in range(tab.evaluate("steps.length")) if tab.evaluate(f"Boolean(questionOf(steps[{k}], {k}))")]
    assert len(asked) >= 4
    values = {"x_0": [-0.4, 0.8, -1.2, 0.6][: len(example_of(mode).given["x_0"])]}
    for changed in (None, values):
        tab.evaluate("begin(state.name, state.neuron)")
        for i, value in enumerate(changed["x_0"] if changed else ()):
            tab.fill(f'#given [data-entry="x_0|{i}|0"]', str(value))
        for k in asked:
            tab.evaluate(f"go({k})")
            assert tab.locator("#rows").is_hidden() and not tab.evaluate("steps[state.step].makes.some(isKnown)")
            answer(tab, expected(mode, tab.evaluate(f"steps[{k}]"), tab.evaluate("question.ask"), changed))
            assert tab.inner_text("#verdict").startswith("Right."), (mode, k, tab.inner_text("#verdict"))
            assert tab.locator("#rows").is_visible() and tab.evaluate("steps[state.step].makes.every(isKnown)")


def test_a_wrong_answer_is_told_the_right_one_and_why(opened):
    tab = opened("#chain/5")
    answer(tab, "positive")
    said = tab.inner_text("#verdict").replace("\n", "")
    assert said == "Not quite. The answer is negative. g3[0] is −2.4: J falls when x3[0] rises."
    tab.fill('#given [data-entry="y|0|0"]', "-3")  # the answer is of the page's numbers
    assert "The answer is positive. g3[0] is 4.6" in tab.inner_text("#verdict").replace("\n", "")
    tab.evaluate("go(4)")
    tab.evaluate("go(5)")  # it was answered: the numbers are there at once
    assert tab.locator("#rows").is_visible() and tab.locator("#predict").is_hidden()


def test_a_question_by_keyboard(opened):
    tab = opened("#chain/4")
    tab.locator("#rows .entry").first.focus()
    tab.keyboard.press("PageDown")
    assert tab.evaluate("document.activeElement.value") == "negative"
    tab.keyboard.press("Enter")  # nothing is chosen yet
    assert tab.inner_text("#verdict") == ""
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#verdict").startswith("Right.") and tab.evaluate("document.activeElement.id") == "verdict"
    tab.evaluate("go(10)")
    tab.locator("#options input").focus()
    tab.keyboard.type("0")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#verdict").startswith("Right.")
    tab.evaluate("go(14)")
    tab.locator("#options input").first.focus()
    for key in ("Space", "ArrowRight", "Space", "Enter"):
        tab.keyboard.press(key)
    assert tab.inner_text("#verdict").startswith("Right.")


def test_a_question_can_be_skipped(opened):
    tab = opened("#chain/5")
    assert tab.inner_text("#made").startswith("Answer or skip") and "is −2.4" not in tab.inner_text("#live")
    tab.locator("#on").click()  # without an answer
    assert tab.evaluate("state.step") == 6 and tab.locator("#predict").is_visible()
    tab.get_by_role("button", name="Skip").click()
    assert tab.inner_text("#verdict").startswith("The answer is 2 × 6.") and tab.locator("#rows").is_visible()
    tab.evaluate("go(10)")
    tab.uncheck("#asks")
    assert tab.locator("#predict").is_hidden() and tab.locator("#rows").is_visible()
