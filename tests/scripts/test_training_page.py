"""docs/training.html: an ONNX file that trains in a browser, held to onnxruntime and to onnx's own operators."""

import base64
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ..browser import contrast, luminance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        None in map(importlib.util.find_spec, ("onnx", "onnxruntime", "sklearn")),
        reason="onnx, onnxruntime or scikit-learn is not installed",
    ),
]

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "training.html"
STEPS = 60


def script(name, *arguments):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The file, the digits, and the page; and weights.npz, the weights after some steps in onnxruntime."""
    folder = tmp_path_factory.mktemp("training")
    script("train_without_torch.py", "--only", "write", "--out", folder)
    script("train_without_torch.py", "--only", "train", "--out", folder, "--steps", STEPS)
    script("training_page.py", "--folder", folder, "--out", folder / "new" / "training.html")
    return folder


@pytest.fixture
def opened(tabs, folder):
    """Opens the page from a file, offline; any request, console message or error fails the test."""
    with tabs.opener((folder / "new" / "training.html").as_uri()) as open:
        yield open


DATA = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.S)


def data_of(text):
    return json.loads(DATA.search(text).group(1))


def until(tab, condition):
    """Playwright's own waiting wants `eval`, which the page's policy forbids."""
    for _ in range(1000):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(10)
    raise AssertionError(condition)


def test_the_page_needs_no_other_file(folder):
    text = (folder / "new" / "training.html").read_text(encoding="utf-8")
    without = DATA.sub("", text)
    assert not re.search(r"//(?!www\.w3\.org/2000/svg)\w|@import|url\((?!#)|<link|<script src|<img", without)
    assert "default-src 'none'" in text and len(text.encode()) < 300_000
    assert [p.name for p in (folder / "new").iterdir()] == ["training.html"]


def test_the_page_in_docs_is_current(folder):
    made, committed = (p.read_text(encoding="utf-8") for p in (folder / "new" / "training.html", COMMITTED))
    if data_of(made)["network"]["by"] != (by := data_of(committed)["network"]["by"]):
        pytest.skip(f"the page is of {by}, whose exporter names things otherwise")
    assert made == committed, "run python scripts/training_page.py"


def test_the_page_trains_as_onnxruntime_does(opened, folder):
    tab, told = opened(), dict(np.load(folder / "weights.npz"))
    tab.evaluate(f"() => {{ for (let i = 0; i < {STEPS}; i++) descend(); evaluate(); show(); }}")
    theta = tab.evaluate("Object.fromEntries(NAMES.map(name => [name, [...state.theta[name].data]]))")
    assert theta.keys() == told.keys()
    for name, weights in told.items():
        assert np.abs(weights.ravel() - theta[name]).max() < 1e-5, name
    assert tab.inner_text("#steps") == str(STEPS) and int(tab.inner_text("#right").rstrip("%")) > 85
    wrong = tab.locator("#digits .wrong").count()
    assert 0 < wrong < 12 and tab.locator("#digits li").count() == 40
    assert tab.locator("#digits li").nth(1).get_attribute("aria-label") == "a 9, recognised"


def test_it_is_started_stopped_and_stepped(opened):
    tab = opened()
    assert tab.inner_text("#J") == "–" and tab.inner_text("#eta-is") == "0.50"
    before = tab.evaluate("document.getElementById('weights').toDataURL()")
    tab.get_by_role("button", name="One step").click()
    assert tab.inner_text("#steps") == "1" and tab.inner_text("#J") == "2.340"
    tab.locator("body").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#steps") == "1", "a button has the focus, and its own keys"
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#steps") == "2"
    tab.keyboard.press("Space")
    until(tab, "state.J.length > 30")
    assert tab.inner_text("#run") == "Stop" and tab.get_attribute("#run", "aria-pressed") == "true"
    tab.keyboard.press("Space")
    stopped = tab.evaluate("state.J.length")
    tab.wait_for_timeout(100)
    assert tab.evaluate("state.J.length") == stopped and tab.inner_text("#run") == "Start"
    assert tab.evaluate("document.getElementById('weights').toDataURL()") != before
    assert len(tab.get_attribute("#curve .each", "points").split()) == stopped
    tab.keyboard.press("Home")
    assert tab.inner_text("#steps") == "0" and tab.evaluate("document.getElementById('weights').toDataURL()") == before


def test_a_large_learning_rate_diverges(opened):
    tab = opened()
    tab.evaluate("() => { state.eta = 1e6; for (let i = 0; i < 4; i++) descend(); show(); }")
    assert "J diverges" in tab.inner_text("#away")
    tab.get_by_role("button", name="Restart").click()
    assert tab.inner_text("#away") == ""
    tab.locator("#eta").focus()
    tab.keyboard.press("Home")
    assert tab.inner_text("#eta-is") == "0.0010"
    tab.locator("#eta").press("End")
    tab.get_by_role("button", name="Start", exact=True).click()
    until(tab, "state.J.length > 3")
    assert tab.evaluate("Number.isFinite(state.J[0])")


def test_the_operators_are_listed(opened):
    tab = opened()
    tab.locator("summary").click()
    lines = tab.locator("#operators li").all_inner_texts()
    assert len(lines) == int(tab.inner_text("#count")) > 30
    assert lines[0].endswith("= Gemm(x, θ.0.weight, θ.0.bias)") and lines[-1].startswith("θ.2.bias′ = Sub(θ.2.bias")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_is_legible(width, scheme, opened):
    tab = opened(width=width, scheme=scheme)
    tab.evaluate("() => { for (let i = 0; i < 12; i++) once(); }")
    tab.locator("summary").click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    colours = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    card = tab.locator(".card").first.evaluate(colours)[1]
    for selector in ("h2", ".card .soft", "dd", "#digits .wrong", "#digits li:not(.wrong)", "#operators li"):
        assert contrast(tab.locator(selector).first.evaluate(colours)[0], card) >= 4.5, selector
    assert contrast(*tab.locator("#run").evaluate(colours)) >= 4.5
    assert (luminance(tab.locator("body").evaluate(colours)[1]) < 0.1) == (scheme == "dark")
    assert min(button.bounding_box()["height"] for button in tab.locator("button").all()) >= 44
    nameless = """[...document.querySelectorAll("button, input, [role=img], section")].filter(e => !(
        e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length || e.getAttribute("aria-labelledby")
    )).map(e => e.outerHTML)"""
    assert tab.evaluate(nameless) == []


def floats(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


OPERATORS = [
    ("Add", [floats(2, 3), floats(3)], {}),
    ("Sub", [floats(2, 1), floats(1, 3)], {}),
    ("Mul", [floats(2, 3), floats(2, 3)], {}),
    ("Div", [floats(2, 3), np.float32(3)], {}),
    ("Neg", [floats(2, 3)], {}),
    ("Relu", [floats(2, 3)], {}),
    ("Not", [np.array([True, False])], {}),
    ("Equal", [whole(1, 2, 3), np.int64(2)], {}),
    ("Where", [np.array([[True], [False]]), floats(2, 3), np.float32(0)], {}),
    ("Where", [np.array([True, False]), np.int64(4), whole(1, 2)], {}),
    ("Cast", [floats(2, 3)], {"to": 9}),
    ("Cast", [np.array([True, False])], {"to": 1}),
    ("Cast", [whole(1, 2)], {"to": 1}),
    ("MatMul", [floats(2, 4), floats(4, 3)], {}),
    ("Gemm", [floats(2, 4), floats(3, 4), floats(3)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", [floats(4, 2), floats(4, 3)], {"transA": 1}),
    ("Transpose", [floats(2, 3, 4)], {"perm": [2, 0, 1]}),
    ("Reshape", [floats(2, 3, 4), whole(0, -1)], {}),
    ("Reshape", [floats(2, 3, 4), whole(4, 6)], {"allowzero": 1}),
    ("Unsqueeze", [floats(2, 3), whole(-1, 0)], {}),
    ("ReduceSum", [floats(2, 3, 4), whole(0, -1)], {"keepdims": 0}),
    ("ReduceSum", [floats(2, 3, 4), whole(1)], {"keepdims": 1}),
    ("ReduceSum", [floats(2, 3)], {"keepdims": 0}),
    ("ReduceSum", [floats(2, 3)], {"noop_with_empty_axes": 1}),
    ("Softmax", [floats(2, 3) * 50], {"axis": 1}),
    ("LogSoftmax", [floats(2, 3) * 50], {"axis": -1}),
    ("NegativeLogLikelihoodLoss", [floats(3, 4), whole(1, -100, 2)], {"ignore_index": -100}),
    ("ConstantOfShape", [whole(2, 3)], {}),
    ("ScatterElements", [floats(3, 2), np.array([[2, 0], [0, 1]]), floats(2, 2)], {"axis": 0}),
    ("ScatterElements", [floats(3, 4), np.array([[2], [0], [1]]), floats(3, 1)], {"axis": 1}),
]


def test_each_operator_is_onnxs(opened):
    import onnx.reference

    tab, seen = opened(), set()
    for name, inputs, attributes in OPERATORS:
        seen.add(name)
        names = [f"x{i}" for i in range(len(inputs))]
        node = onnx.helper.make_node(name, names, ["y"], **attributes)
        arrays = [np.asarray(x) for x in inputs]
        given = [
            onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, arrays, strict=True)
        ]
        out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
        model = onnx.helper.make_model(onnx.helper.make_graph([node], "one", given, [out]))
        (told,) = onnx.reference.ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))
        found = tab.evaluate(
            """([name, xs, how]) => {
                const y = OPERATORS[name](xs.map(unpacked), how);
                return [y.shape, [...y.data]];
            }""",
            [name, [packed(x) for x in arrays], attributes],
        )
        assert found[0] == list(told.shape), (name, attributes)
        np.testing.assert_allclose(np.array(found[1]).reshape(told.shape), told, rtol=1e-5, atol=1e-6, err_msg=name)
    assert seen == set(tab.evaluate("Object.keys(OPERATORS)"))


def packed(x):
    kind = {"float32": "<f4", "int64": "<i4", "bool": "u1"}[x.dtype.name]
    name = np.dtype(kind).name
    return [list(x.shape), name, base64.b64encode(np.ascontiguousarray(x, kind).tobytes()).decode()]


def test_an_operator_that_the_page_has_not_is_named(tmp_path):
    import onnx

    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    node = onnx.helper.make_node("Erf", ["x"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "one", [value], [out])), tmp_path / "step.onnx")
    np.savez(tmp_path / "digits.npz", x=np.zeros((1, 64)), y=np.zeros(1))
    command = [
        sys.executable,
        ROOT / "scripts" / "training_page.py",
        "--folder",
        tmp_path,
        "--out",
        tmp_path / "p.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "onnx.js does not compute Erf" in done.stderr and not (tmp_path / "p.html").exists()
