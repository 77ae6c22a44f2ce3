"""The data set of the lesson page: its training agrees with PyTorch's, and its controls and its drawing follow it."""

import re

import pytest
import torch

from chapter14.lesson.two_moons import network, points, training

from ..browser import contrast
from .test_keys import COUNT, pressed, stops
from .test_page import SMALL

pytestmark = pytest.mark.slow


def by_autograd(steps, eta):
    """J before each step and after the last, and the parameters, by native autograd."""
    theta = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in network().given.items()}
    x, y = (torch.tensor(points()[name], dtype=torch.float64) for name in ("x", "y"))
    history = []
    for step in range(steps + 1):
        y_hat = torch.tanh(x @ theta["W_1"].T + theta["b_1"]) @ theta["W_2"].T + theta["b_2"]
        J = ((y_hat[:, 0] - y) ** 2).mean()
        history.append(float(J.detach()))
        if step < steps:
            g = torch.autograd.grad(J, list(theta.values()))
            with torch.no_grad():
                for value, dJ in zip(theta.values(), g, strict=True):
                    value -= eta * dJ
    return history, theta


def test_the_package_trains_as_pytorch():
    J, theta = zip(*training(20, 0.1), strict=True)
    history, expected = by_autograd(20, 0.1)
    assert J == pytest.approx(history, abs=1e-12)
    for name, value in expected.items():
        assert torch.allclose(theta[-1][name], value, atol=1e-12)


def test_the_page_trains_as_pytorch(opened):
    tab = opened("#moons")
    tab.locator("#moons-eta").focus()
    tab.keyboard.press("ArrowRight")  # another learning rate than the one that the page is compared with
    eta = tab.evaluate("moons.eta")
    assert eta == pytest.approx(10**-0.95)
    for _ in range(20):
        tab.locator("#moons-step").click()
    history, theta = by_autograd(20, eta)
    assert tab.evaluate("moons.history") == pytest.approx(history, abs=1e-9)
    for name, value in theta.items():
        found = torch.tensor(tab.evaluate(f"moons.theta.{name}"), dtype=torch.float64)
        assert torch.allclose(found.reshape(value.shape), value, atol=1e-9), name
    assert "after 20 steps" in tab.inner_text("#moons-status")


def until(tab, condition):
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(condition)


def test_run_pause_and_reset(opened):
    tab = opened("#moons")
    boundary, before = "document.querySelector('#plane .boundary').getAttribute('d')", tab.inner_text("#moons-status")
    first = tab.evaluate(boundary)
    tab.locator("#moons-run").focus()
    tab.keyboard.press("Enter")
    until(tab, "moons.history.length > 60")
    tab.keyboard.press("Enter")
    stopped = tab.evaluate("moons.history.length")
    tab.wait_for_timeout(300)
    assert tab.evaluate("moons.history.length") == stopped and tab.evaluate(boundary) != first
    right = int(re.match(r"\d+", tab.inner_text("#moons-status")).group())
    assert right > int(re.match(r"\d+", before).group()) and right >= 40
    assert f"{right} points are on their side" in tab.locator("#plane svg").get_attribute("aria-label")
    tab.locator("#moons-reset").click()
    assert tab.evaluate(boundary) == first and tab.inner_text("#moons-status") == before
    tab.locator("#moons-eta").focus()
    tab.keyboard.press("End")
    tab.locator("#moons-run").click()
    until(tab, "$('moons-status').textContent.includes('diverge')")
    assert tab.evaluate("Object.values(moons.theta).flat(2).every(Number.isFinite)")


def test_the_boundary_is_where_the_prediction_is_zero(opened):
    """At the ends of its pieces, up to the linear interpolation in a cell of the grid."""
    tab = opened("#moons")
    tab.evaluate("for (let i = 0; i < 40; i++) train()")
    values = tab.evaluate(
        """() => document.querySelector("#plane .boundary").getAttribute("d").match(/[\\d.]+ [\\d.]+/g).map(pair => {
        const [x, y] = pair.split(" ").map(Number), { left, right, bottom, top, width, height } = PLANE;
        return predicted(moons.theta, column([left + x / width * (right - left), top - y / height * (top - bottom)]));
        })"""
    )
    assert len(values) > 40 and max(map(abs, values)) < 0.05


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_is_legible_and_has_few_tab_stops(width, scheme, opened):
    tab = opened("#moons", width, scheme)
    assert tab.locator("#lesson").is_hidden() and tab.locator("#moons").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width and tab.evaluate(SMALL) == []
    if width == 390:  # touch targets
        assert min(button.bounding_box()["height"] for button in tab.locator("#moons .buttons button").all()) >= 44
    count = tab.evaluate(COUNT)
    assert len(stops(tab)) == count + 1 < 20  # and the link of an equation
    colours = "e => [getComputedStyle(e).fill, getComputedStyle(e.closest('.card')).backgroundColor]"
    for mark in ("circle", "rect"):
        assert contrast(*tab.locator(f"#plane {mark}").first.evaluate(colours)) >= 3
    tab.locator("#modes [aria-selected=true]").focus()
    assert pressed(tab, "ArrowLeft") == "data" and tab.locator("#lesson").is_visible()
