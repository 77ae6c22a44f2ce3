"""The lesson page: its numbers, that it is self-contained, and its behaviour in a browser."""

import os
import re
from pathlib import Path

import pytest
import torch

import chapter14
import chapter14.functional as F
from chapter14.cli import main
from chapter14.graph.descent import descend
from chapter14.graph.sharing import copy_by_copy
from chapter14.lesson.examples import EXAMPLES, NONLINEARITIES, descent, numbers
from chapter14.lesson.page import page

from ..browser import contrast, luminance
from .modes import MODES, example_of, to

pytestmark = pytest.mark.slow

COMMITTED = Path(__file__).parents[2] / "docs" / "chapter.html"


def given(name):
    return {key: torch.tensor(value, dtype=torch.float64) for key, value in EXAMPLES[name].given.items()}


def test_the_page_needs_no_other_file(written):
    assert not re.search(r"//(?!www\.w3\.org/2000/svg)\w|@import|url\((?!#)|<link|<script src|<img", written)
    assert "default-src 'none'" in written and len(written.encode()) < 300_000


def test_the_page_in_docs_is_current(written, tmp_path, capsys):
    assert main(["lesson", "--out", str(tmp_path / "new" / "chapter.html")]) == 0
    assert "chapter.html" in capsys.readouterr().out
    there = os.path.relpath(Path(chapter14.__file__).parent, tmp_path / "new").replace(os.sep, "/")
    assert (tmp_path / "new" / "chapter.html").read_text(encoding="utf-8") == page(there)
    assert COMMITTED.read_text(encoding="utf-8") == written, "run chapter14 lesson --out docs/chapter.html"


def chain(h="relu"):
    """The MLP as a `Chain` of modules."""
    x, layers = (
        given("chain"),
        [chapter14.nn.Linear(4, 3, bias=False), NONLINEARITIES[h], chapter14.nn.Linear(3, 2, bias=False)],
    )
    for layer, W in ((layers[0], x["W_1"]), (layers[2], x["W_2"])):
        layer.weight = torch.nn.Parameter(W.clone())
    return chapter14.Chain(layers, F.l2_loss), x


@pytest.mark.parametrize("h", ["relu", "leaky relu", "gelu"])
def test_the_chain_agrees_with_algorithm_14_1(h):
    algorithm, x = chain(h)
    J, found = algorithm.forward(x["x_0"], x["y"]), numbers(EXAMPLES["chain"], h)
    gradients = algorithm.backward()
    assert torch.allclose(J, found["x"]["J"])
    for i in range(4):
        assert torch.allclose(algorithm.x[i], found["x"][f"x_{i}"])
        assert torch.allclose(algorithm.g[i], found["g"][f"x_{i}"])
    assert torch.allclose(gradients[0][0], found["g"]["W_1"]) and torch.allclose(gradients[2][0], found["g"]["W_2"])
    history = [float(J)]
    for _ in range(3):
        algorithm.backward()
        algorithm.update(EXAMPLES["chain"].eta)
        history.append(float(algorithm.forward(x["x_0"], x["y"])))
    assert history == pytest.approx(list(descent(EXAMPLES["chain"], h, 3)))


def test_shared_gradients_are_those_of_each_copy():
    x, found = given("shared"), numbers(EXAMPLES["shared"], "tanh")

    def J(W1, W2):
        return F.l2_loss(F.linear(F.tanh(F.linear(x["x_0"], W1)), W2), x["y"])

    for i, dJ in enumerate(copy_by_copy(J, x["W"], 2), 1):
        assert torch.allclose(dJ, found["g"][f"W^{i}"])
    assert torch.allclose(found["g"]["W"], found["g"]["W^1"] + found["g"]["W^2"])


def test_the_data_descend():
    x = given("data")

    def J(x_0, y, W_1, W_2):
        return F.l2_loss(F.linear(F.relu(F.linear(x_0, W_1)), W_2), y)

    costs = [float(cost) for cost, _ in descend(J, x, "x_0", EXAMPLES["data"].eta, 4)]
    assert costs == pytest.approx(list(descent(EXAMPLES["data"], "relu", 3)))


def edits(mode):
    """Other values for all inputs; an entry before h is 0, where relu' is 1 (14.32), and another is large."""
    draw, to = torch.Generator().manual_seed(len(mode)), {}
    for name, value in example_of(mode).given.items():
        drawn = torch.rand(torch.tensor(value).shape, generator=draw, dtype=torch.float64) * 4 - 2
        to[name] = (drawn * 100).round() / 100
    W = to["W" if "W" in to else "W_1"]
    W[0] = 0
    W[1] *= 20
    return to


@pytest.mark.parametrize("mode", MODES)
def test_the_page_computes_what_the_package_does(mode, opened):
    """x, g and L agree to 1e-6 for each h, with the initial inputs and with all of them edited by hand."""
    tab, example = opened(), example_of(mode)
    to(tab, mode)
    for values in ({}, edits(mode)):
        for name, value in values.items():
            for key, number in entries(name, value):
                tab.fill(f'#given [data-entry="{key}"]', str(number))
        for h in NONLINEARITIES:
            tab.select_option("#h", h)
            told, found = numbers(example, h, values), tab.evaluate("now")
            for kind in ("x", "g", "L"):
                for name, value in told[kind].items():
                    compare(value, found[kind][name], f"{kind} {name}, {h}")
            assert float(tab.inner_text("#J").replace("−", "-")) == pytest.approx(
                float(told["x"]["J"]), rel=0.51, abs=1e-4
            )


def entries(name, value):
    rows = value if value.ndim > 1 else value[:, None]
    return [(f"{name}|{i}|{j}", float(a)) for i, row in enumerate(rows) for j, a in enumerate(row)]


def compare(value, found, name):
    value = torch.cat([L.flatten() for L in value]) if isinstance(value, tuple) else value.flatten()
    flat = (
        torch.tensor(found, dtype=torch.float64).flatten()
        if not nested(found)
        else torch.cat([torch.tensor(L, dtype=torch.float64).flatten() for L in found])
    )
    assert torch.allclose(value, flat, rtol=1e-6, atol=1e-6), name


def nested(found):
    return isinstance(found[0], list) and isinstance(found[0][0], list)


def test_the_page_compares_its_numbers_on_loading(opened):
    said = re.search(r"computed (\d+) numbers .* none differs by more than 1e-9", opened().inner_text("#proof"))
    readme = (COMMITTED.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"{said.group(1)} numbers that this package computed" in readme


@pytest.mark.parametrize("mode", MODES)
def test_the_formula_of_an_entry_gives_its_value(mode, opened):
    tab = opened()
    to(tab, mode)
    said = tab.evaluate(
        """() => Object.values(all).filter(m => m.made).flatMap(({ name, numbers, made }) => numbers.flatMap((row, i) =>
        row.flatMap((value, j) => [false, true].map(long => [name, value, made(i, j, long).flat().map(
        token => typeof token === "string" ? token : `(${all[token.name].numbers[token.i][token.j]})`).join(" ")]))))"""
    )
    assert len(said) > 100
    functions = {"relu": lambda x: max(x, 0), "h": lambda x: float(x >= 0)}
    for name, value, formula in said:
        python = (
            formula.replace("−", "-").replace("·", "*").replace(")²", ")**2").replace("h′", "h").replace("2 (", "2*(")
        )
        assert eval(python, functions) == pytest.approx(value, abs=1e-9), (name, formula)


def test_steps_by_keyboard(opened):
    tab = opened()
    lines = tab.evaluate("steps.map(step => String(step.line))")
    assert lines == "given 6 6 6 cost 9 11 12 13 11 12 11 12 13 update".split()
    for k, line in enumerate(lines):
        assert (
            tab.inner_text("#where").startswith(f"{k} of 14")
            and tab.locator("#lines .at").get_attribute("data-line") == line
        )
        assert tab.inner_text("#live").startswith(f"Step {k} of 14") and "`" not in tab.inner_text("#live")
        tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#where").startswith("14 of 14")  # the last step
    tab.keyboard.press("ArrowLeft")
    assert "(14.8)" in tab.inner_text("#equations") and "∂J/∂W" in tab.inner_text("#title")
    tab.keyboard.press("Home")
    assert tab.inner_text("#where").startswith("0 of 14") and tab.locator("#back").is_disabled()
    tab.keyboard.press("End")
    before = tab.evaluate("now.x.J[0][0]")
    tab.get_by_role("button", name="Apply the update").click()
    assert tab.inner_text("#where").startswith("0 of 14") and tab.evaluate("now.x.J[0][0]") < before


@pytest.mark.parametrize("mode", MODES)
def test_the_explanation_and_the_controls_are_above_the_fold(mode, opened):
    """At 1280 x 800: the step bar, the step's text, and what explains an entry."""
    tab = opened(width=1280)
    to(tab, mode)
    for k in range(tab.evaluate("steps.length")):
        tab.evaluate(f"go({k})")
        bottoms = [tab.locator(where).bounding_box() for where in ("#on", "#say", "#made")]
        assert max(box["y"] + box["height"] for box in bottoms) <= 800, k


SMALL = """() => [...document.querySelectorAll("body *")].filter(e => e.getClientRects().length
  && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
  && parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement?.getScreenCTM().a ?? 1) < 11.99)
  .map(e => e.outerHTML)"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_is_smaller_than_12_pixels(width, opened):
    tab = opened(width=width)
    for mode in MODES:
        to(tab, mode)
        for k in range(0, tab.evaluate("steps.length"), 3):
            tab.evaluate(f"go({k})")
            assert tab.evaluate(SMALL) == []


def test_the_address_has_the_step(opened):
    tab = opened("#dag/3")
    assert tab.inner_text("#where").startswith("3 of") and tab.evaluate("state.name") == "dag"
    tab.keyboard.press("ArrowRight")
    assert tab.url.endswith("#dag/4")
    tab.reload()
    assert tab.inner_text("#where").startswith("4 of")


def test_entries_by_keyboard(opened):
    """Arrows go to the next entry; Enter edits an input, Escape undoes the edit, + and - change it."""
    tab = opened("#chain/1")
    tab.locator("#rows .entry").first.focus()
    assert "factor" in tab.locator('#rows [data-entry="W_1|0|3"]').get_attribute("class")
    assert re.sub(r"\s", "", tab.inner_text("#made")).startswith("x1[0]=W1[0,0]0.5·x0[0]1+")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.dataset.entry") == "W_1|0|0"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.type") == "number"
    tab.keyboard.type("2")
    assert tab.evaluate("all.x_1.numbers[0][0]") == pytest.approx(1.6)
    tab.keyboard.press("Enter")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert tab.evaluate(focused) == "W 1[0,0] is 2, an input, press Enter to edit"
    tab.keyboard.press("Enter")
    tab.keyboard.type("7")
    tab.keyboard.press("Escape")
    assert tab.evaluate(focused).startswith("W 1[0,0] is 2,")
    tab.keyboard.press("+")
    assert tab.evaluate(focused).startswith("W 1[0,0] is 2.1,")
    tab.keyboard.press("-")
    assert tab.evaluate(focused).startswith("W 1[0,0] is 2,")
    tab.keyboard.press("PageDown")  # to the next step, and the focus is in it
    assert (
        tab.inner_text("#where").startswith("2 of")
        and tab.evaluate("document.activeElement.dataset.entry") == "x_2|0|0"
    )


def test_the_pointer_marks_the_factors_of_an_entry(opened):
    tab = opened("#chain/12")
    tab.locator('#rows [data-entry="g_0|0|2"]').hover()
    marked = tab.eval_on_selector_all("#rows .factor", "e => e.map(e => e.dataset.entry)")
    assert marked == ["g_1|0|0", "g_1|0|1", "g_1|0|2", "L_1^x|0|2", "L_1^x|1|2", "L_1^x|2|2"]
    tab.locator('#graph [data-entry="x_2|1|0"]').click()  # a cell of the graph goes to the step that made it
    assert tab.inner_text("#where").startswith("2 of") and tab.locator("#plot svg").count() == 1
    assert tab.evaluate("state.chosen").items() >= {"name": "x_2", "i": 1}.items()


def test_a_gradient_predicts_the_effect_of_a_change(opened):
    tab = opened("#chain/13")
    tab.locator('#given [data-entry="W_1|0|3"]').focus()
    assert "Its gradient is −4.428: adding 0.01 should change J by −0.0443" in tab.inner_text("#made")


def test_steps_of_gradient_descent(opened):
    for mode in ("chain", "dag", "shared", "data 0"):
        tab, example = opened(), example_of(mode)
        to(tab, mode)
        for name in ("One step", "One step", "Ten steps"):
            tab.get_by_role("button", name=name, exact=True).click()
        told = list(descent(example, "relu", 12))
        assert tab.evaluate("state.history") == pytest.approx(told, abs=1e-6)
        assert tab.locator("#curve svg").get_attribute("aria-label").endswith("in 12 steps")
    tab.locator("#modes [value=chain]").click()
    tab.locator("#eta").focus()
    tab.keyboard.press("End")
    tab.get_by_role("button", name="Ten steps", exact=True).click()
    assert "make J diverge" in tab.inner_text("#ran") and tab.evaluate("Number.isFinite(now.x.J[0][0])")
    tab.get_by_role("button", name="Reset").click()
    assert tab.evaluate("state.history") == pytest.approx(told[:0] + list(descent(EXAMPLES["chain"], "relu", 0)))


def test_a_run_is_announced_when_it_stops(opened):
    """Not each of its twelve steps a second."""
    tab, live = opened(), "document.querySelector('#ran').getAttribute('aria-live')"
    assert tab.evaluate(live) == "polite"
    tab.get_by_role("button", name="Run", exact=True).click()
    assert tab.evaluate(live) == "off"
    tab.get_by_role("button", name="Pause").click()
    assert tab.evaluate(live) == "polite"


@pytest.mark.parametrize("width", [390, 1280])
def test_each_cost_is_readable(width, opened):
    tab = opened("#data", width)
    select = tab.locator("#cost")
    text = select.evaluate("""e => {
        const pen = document.createElement("canvas").getContext("2d");
        pen.font = getComputedStyle(e).font;
        return Math.max(...[...e.options].map(option => pen.measureText(option.text).width));
    }""")
    space = select.evaluate("e => e.clientWidth - 2 * parseFloat(getComputedStyle(e).paddingLeft)")
    assert text + 16 <= space  # and the arrow


def test_the_steps_of_each_example(opened):
    tab = opened("#dag/0")

    def lines():
        return tab.evaluate("steps.map(step => String(step.line))")

    assert lines().count("13") == 3 and "(14.46)" in cited(tab) and "(14.41)" in cited(tab)
    to(tab, "shared")
    assert lines()[1] == "copies" and lines()[-2:] == ["sum", "update"] and "(14.47)" in cited(tab)
    to(tab, "data")
    assert "13" not in lines() and tab.evaluate("steps.at(-1).makes") == ["x_0′"]


def cited(tab):
    return tab.evaluate("steps.map((_, k) => { go(k); return $('equations').textContent; }).join('\\n')")


CONTROLS = "button, input, select, output, [role=img], [role=group], section, [tabindex='0']"
NAMELESS = """controls => [...document.querySelectorAll(controls)]
  .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.labels?.length
    || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim())).map(e => e.outerHTML)"""
BROKEN = """() => [...document.querySelectorAll("[aria-describedby], [aria-labelledby]")]
  .filter(e => !document.getElementById(e.getAttribute("aria-describedby")
    || e.getAttribute("aria-labelledby"))).length"""


def test_every_control_has_a_name(opened):
    tab = opened()
    for mode in MODES:
        to(tab, mode)
        for k in range(tab.evaluate("steps.length")):
            tab.evaluate(f"go({k})")
            assert tab.evaluate(NAMELESS, CONTROLS) == [] and tab.evaluate(BROKEN) == 0
    assert tab.evaluate(
        "(ids => ids.length === new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))"
    )
    assert tab.get_attribute("html", "lang") == "en" and tab.locator("h1").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_is_legible(width, scheme, opened):
    tab = opened("", width, scheme)
    for mode in MODES:
        to(tab, mode)
        for k in range(tab.evaluate("steps.length")):
            tab.evaluate(f"go({k})")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, (mode, k)
    colours = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    for entry in tab.locator(".entry").all():
        assert contrast(*entry.evaluate(colours)) >= 4.5, entry.get_attribute("data-entry")
    for chip in tab.locator("#equations button").all():
        assert contrast(*chip.evaluate(colours)) >= 4.5
    tab.locator("#asks").focus()
    tab.keyboard.press("Tab")  # opens the bubble of an equation, or of a term
    bubble = tab.locator(".bubble:visible")
    for text in (bubble, *bubble.locator("a").all()):
        assert contrast(text.evaluate(colours)[0], bubble.evaluate(colours)[1]) >= 4.5
    for selector in ("#about", "#where", ".legend li"):
        ink, paper = tab.locator(selector).first.evaluate(colours)[0], tab.locator("body").evaluate(colours)[1]
        assert contrast(ink, paper) >= 4.5, selector
    assert (luminance(tab.locator("body").evaluate(colours)[1]) < 0.1) == (scheme == "dark")
    if width == 390:  # touch targets
        buttons = tab.locator(".bar button, #modes button, .buttons button:visible").all()
        assert min(button.bounding_box()["height"] for button in buttons) >= 44


def test_the_colours_are_those_of_figure_14_17(opened):
    style = opened().evaluate(
        "['free', 'data', 'back', 'grad', 'layer'].map(n => getComputedStyle(document.body).getPropertyValue('--' + n))"
    )
    assert style == [f"rgb({c})" for c in ("77 179 255", "51 230 51", "230 51 51", "247 224 89", "242 214 158")]
