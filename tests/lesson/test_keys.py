"""The lesson page by keyboard: a group of controls is one tab stop, and arrow keys, Home and End move inside it."""

import pytest

from .modes import MODES, to

pytestmark = pytest.mark.slow

FOCUS = """() => { const e = document.activeElement; return e === document.body ? null
  : e.dataset.entry || e.value || e.id || e.getAttribute("aria-label") || e.textContent; }"""


def stops(tab):
    """What has the focus after each press of Tab, from the start of the page to its end."""
    tab.evaluate("document.activeElement.blur()")
    tab.locator("h1").click()
    found = []
    while len(found) < 200:
        tab.keyboard.press("Tab")
        if (focus := tab.evaluate(FOCUS)) is None:
            break
        found.append(focus)
    return found


COUNT = """() => [...document.querySelectorAll("a[href], button, input, select, [tabindex]")].filter(e =>
  e.tabIndex >= 0 && !e.disabled && e.getClientRects().length && getComputedStyle(e).visibility !== "hidden"
  && (e.type !== "radio" || e === e.form.querySelector("[type=radio]"))).length"""  # the choices of a question are one


@pytest.mark.parametrize("mode", MODES)
def test_each_step_has_few_tab_stops(mode, opened):
    tab = opened(width=390)  # where the page scrolls below the mouse
    to(tab, mode)
    last = tab.evaluate("steps.length") - 1
    for k in range(last + 1):
        tab.evaluate(f"go({k})")
        count = tab.evaluate(COUNT)
        assert count + 1 < 20, k
        if k in (0, last):
            found = stops(tab)
            assert len(found) == count + 1, found  # the link in the bubble of the equation that has the focus


def pressed(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)
    return tab.evaluate(FOCUS)


def test_the_examples_are_tabs(opened):
    tab = opened()
    tab.locator("#modes [aria-selected=true]").focus()
    assert pressed(tab, "ArrowRight") == "dag" and tab.evaluate("state.name") == "dag"
    assert pressed(tab, "ArrowLeft", "ArrowLeft") == tab.locator("#modes button").last.get_attribute("value")
    assert pressed(tab, "Home") == "chain" and tab.evaluate("state.name") == "chain"
    assert tab.locator("#modes [tabindex='0']").count() == 1
    panel = tab.locator("#lesson")
    assert panel.get_attribute("role") == "tabpanel" and panel.get_attribute("aria-labelledby") == "tab-chain"


def test_the_buttons_of_the_steps(opened):
    tab = opened("#chain/3")
    tab.locator("#lines [aria-current]").focus()
    assert pressed(tab, "ArrowRight") == "4" and tab.evaluate("state.step") == 4
    assert pressed(tab, "ArrowUp") == "3" and tab.evaluate("state.step") == 3
    assert pressed(tab, "End") == "14" and tab.evaluate("state.step") == 14
    assert pressed(tab, "Home") == "0" and tab.evaluate("state.step") == 0


def test_entries_are_one_group_across_matrices(opened):
    """The step x_1 = W_1 x_0: a column, a matrix, a column."""
    tab = opened("#chain/1")
    tab.locator("#rows .entry").first.focus()
    assert pressed(tab, "ArrowDown") == "x_1|1|0" and "x1[1]" in tab.inner_text("#made").replace("\n", "")
    assert pressed(tab, "ArrowRight") == "W_1|1|0"
    assert pressed(tab, "End") == "W_1|1|3" and pressed(tab, "Home") == "W_1|1|0"
    assert pressed(tab, "End", "ArrowRight").startswith("x_0|")
    assert pressed(tab, "ArrowRight").startswith("x_0|")  # the edge
    assert pressed(tab, "Control+Home") == "x_1|0|0" and pressed(tab, "Control+End") == "x_0|3|0"
    assert tab.evaluate("state.step") == 1


def test_inputs_are_one_group_of_fields(opened):
    """Typing replaces a number; after Enter, arrow keys change it, until Enter or Escape."""
    tab = opened()
    tab.locator("#given .entry").first.focus()
    pressed(tab, "ArrowRight")
    entry = "document.activeElement.dataset.entry"
    assert tab.evaluate(entry) == "x_0|1|0"
    tab.keyboard.type("0.7")
    assert tab.evaluate("all.x_0.numbers[1][0]") == pytest.approx(0.7)
    pressed(tab, "ArrowLeft", "ArrowDown")
    assert tab.evaluate(entry) == "W_1|0|0" and tab.evaluate("all.x_0.numbers[0][0]") == 1
    pressed(tab, "Enter", "ArrowUp")
    assert tab.evaluate(entry) == "W_1|0|0" and tab.evaluate("all.W_1.numbers[0][0]") == pytest.approx(0.6)
    pressed(tab, "Escape", "ArrowRight")
    assert tab.evaluate(entry) == "W_1|0|1" and tab.evaluate("all.W_1.numbers[0][1]") == -1


UNREACHED = """of => {
  const controls = [...document.querySelectorAll(of)], reached = new Set([controls[0]]);
  for (const here of reached)  // which grows
    for (const key of Object.keys(ARROWS)) reached.add(inPlane({ key }, here, controls) ?? here);
  return controls.filter(control => !reached.has(control)).map(e => e.getAttribute("aria-label"));
}"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("mode", MODES)
def test_arrow_keys_reach_every_control_of_a_group(mode, width, opened):
    tab = opened(width=width)
    to(tab, mode)
    assert tab.evaluate(UNREACHED, "#graph .node") == [] == tab.evaluate(UNREACHED, "#given .entry")
    for k in range(tab.evaluate("steps.length")):
        tab.evaluate(f"asked.add({k}), go({k})")
        assert tab.evaluate(UNREACHED, "#rows .entry") == [], k


def test_nodes_of_the_graph(opened):
    """Values and layers; Enter goes to the step that computes one."""
    tab = opened("#dag/0")
    tab.locator("#graph [tabindex='0']").focus()
    assert pressed(tab, "Home").startswith("x 0: 1, −0.5, 2")
    assert pressed(tab, "ArrowRight", "ArrowRight") == "layer linear, x 1" and pressed(tab, "ArrowUp").startswith("W 1")
    assert pressed(tab, "End") == "J: not computed yet"
    box = tab.locator("#graph :focus").bounding_box()
    assert 0 <= box["x"] and box["x"] + box["width"] <= 1280  # the graph scrolls with the focus
    pressed(tab, "Enter")
    assert tab.inner_text("#title").startswith("The cost J") and tab.evaluate(FOCUS).startswith("J: 1.4184")


def test_buttons_of_gradient_descent_are_one_group(opened):
    tab = opened()
    tab.locator("#once").focus()
    assert (
        pressed(tab, "ArrowRight") == "often" and pressed(tab, "End") == "run" and pressed(tab, "ArrowRight") == "once"
    )
