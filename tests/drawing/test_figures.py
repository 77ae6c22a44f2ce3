"""The figures: their numbers are right, the committed files are current, and no texts overlap."""

import functools
import html
import re
from itertools import combinations
from pathlib import Path

import pytest
import torch
from PIL import Image

from chapter14.cli import main
from chapter14.drawing import figures_network
from chapter14.drawing.figures import FIGURES, figure, page, stem
from chapter14.drawing.figures_data import SENTENCE
from chapter14.drawing.style import BACK, DARK, DATA, GRADIENT, LAYER, PARAMS, two_decimals
from chapter14.models.load import load_network
from chapter14.models.state_dict import fingerprint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "assets" / "figures"
CAT = "14.23"  # depends on trained weights: its pixels are not compared
EXACT = [number for number in FIGURES if number != CAT]
COLOURS = "#4db3ff", "#33e633", "#e63333", "#f7e059", "#f2d69e"


@functools.cache
def drawn(number):
    """The picture, and its SVG."""
    picture = figure(number) if number != CAT else figure(number, steps=12)
    return picture, picture.svg()


def numbers(number):
    return drawn(number)[0].numbers


def texts(svg):
    """The texts of an SVG, which matplotlib writes as comments beside the paths."""
    return [html.unescape(words) for words in re.findall(r"<!-- (.*?) -->", svg)]


def committed(number, ending="svg"):
    return COMMITTED / f"{stem(number)}.{ending}"


def given(number, *names):
    """Values of a figure as leaves of native autograd."""
    return [numbers(number)[name].clone().requires_grad_() for name in names]


def gradients(J, *leaves):
    return torch.autograd.grad(J, leaves)


def agree(number, **values):
    for name, value in values.items():
        shown = numbers(number)[NAMES.get(name, name)]
        assert torch.allclose(shown.flatten(), value.detach().flatten(), rtol=1e-12, atol=1e-12), name


#: Labels of the figures by Python names.
NAMES = {
    "y_hat": "\\hat{y}", "theta": "\\theta", "dtheta": "\\partial J/\\partial \\theta", "dW": "\\partial J/\\partial W",
    "db": "\\partial J/\\partial b", "x_in": "x_{in}", "x_out": "x_{out}", "g_in": "g_{in}", "g_out": "g_{out}",
    "L_x": "L^x", "L_theta": "L^\\theta", "H": "H'", "g_y": "g_{\\hat{y}}^T", "g_h": "g_{h}^T", "g_z": "g_{z}^T",
    "g_x": "g_{x}^T", "W_1_T": "W_1^T", "W_2_T": "W_2^T",
    **{f"theta_{i}": f"\\theta_{i}" for i in (1, 2, 3)},
    **{f"dtheta_{i}": f"\\partial J/\\partial \\theta_{i}" for i in (1, 2, 3)},
    **{f"dW_{i}": f"\\partial J/\\partial W_{i}" for i in (1, 2, 3)},
    **{f"in_{s}": f"x_{{in}}^{s}" for s in "ab"}, **{f"out_{s}": f"x_{{out}}^{s}" for s in "ab"},
    **{f"g_in_{s}": f"g_{{in}}^{s}" for s in "ab"}, **{f"g_out_{s}": f"g_{{out}}^{s}" for s in "ab"},
}  # fmt: skip


def the_chain():
    """Values and gradients of the network of figures 14.2 to 14.7 by native autograd."""
    names = "x_0", NAMES["theta_1"], NAMES["theta_2"], NAMES["theta_3"], "y"
    x_0, *thetas, y = (v if v.shape[1] == 2 else v[:, 0] for v in given("14.6", *names))
    xs = [x_0]
    for theta in thetas:
        xs.append((theta @ xs[-1]).tanh())
    J = (xs[-1] - y).square().sum()
    g = gradients(J, *xs, *thetas)
    values = {f"x_{i}": x for i, x in enumerate(xs)} | {f"theta_{i}": t for i, t in enumerate(thetas, 1)} | {"J": J}
    return values, {f"g_{i}": g[i] for i in range(4)} | {f"dtheta_{i}": g[3 + i] for i in (1, 2, 3)}


def layer_2():
    """L^x and L^θ of the layer of figures 14.4 and 14.5, by native autograd."""
    values, _ = the_chain()
    x, theta = values["x_1"].detach(), values["theta_2"].detach()
    L_x, L_theta = torch.autograd.functional.jacobian(lambda x, theta: (theta @ x).tanh(), (x, theta))
    return L_x, L_theta.reshape(2, 4)


def the_mlp():
    x, W_1, W_2, y = given("14.15", "x", "W_1", "W_2", "y")
    z = W_1 @ x
    h = z.relu()
    y_hat = W_2 @ h
    J = (y_hat - y).square().sum()
    return {"z": z, "h": h, "y_hat": y_hat, "J": J}, gradients(J, x, z, h, y_hat, W_1, W_2, y)


def test_14_1():
    values, _ = the_mlp()
    agree("14.1", **values)


def test_14_2():
    values, _ = the_chain()
    agree("14.2", x_in=values["x_0"], theta=values["theta_1"], x_out=values["x_1"])


def test_14_3():
    values, g = the_chain()
    agree("14.3", x_3=values["x_3"], J=values["J"], dtheta_1=g["dtheta_1"], dtheta_2=g["dtheta_2"])
    shown = numbers("14.3")
    product = shown["\\partial J/\\partial x_3"] @ shown["\\partial x_3/\\partial x_2"]
    assert torch.allclose(product[0], g["g_2"])
    assert f"grey: $g_2$ = ({', '.join(map(two_decimals, g['g_2'].tolist()))})" in texts(drawn("14.3")[1])
    assert any("36 with each chain rule" in text and " 32 when" in text for text in texts(drawn("14.3")[1]))
    # of rows of 2 by [2 x 2] and [2 x 4]: without reuse (2 + 1 + 0) 4 + 3 * 8, with it 2 * 4 + 3 * 8


def test_14_4_and_14_5():
    values, g = the_chain()
    L_x, L_theta = layer_2()
    agree("14.4", x_in=values["x_1"], x_out=values["x_2"], J=values["J"])
    for number in ("14.4", "14.5"):
        agree(number, g_in=g["g_1"], g_out=g["g_2"], L_x=L_x, L_theta=L_theta)
    agree("14.5", dtheta=g["dtheta_2"])


def test_14_6_and_14_7():
    values, g = the_chain()
    agree("14.6", **values)
    agree("14.7", **g, g_J=torch.ones(1, dtype=torch.float64))


def test_14_8():
    x_in, W = given("14.8", "x_{in}", "W")
    g_out = numbers("14.8")["g_{out}"]
    agree("14.8", x_out=W @ x_in, g_in=gradients((g_out @ W @ x_in).sum(), x_in)[0])


def test_14_9_to_14_11():
    x_in, W, b = given("14.10", "x_{in}", "W", "b")
    g_out = numbers("14.10")["g_{out}"]
    x_out = W @ x_in + b
    g_in, dW, db = gradients((g_out @ x_out).sum(), x_in, W, b)
    agree("14.10", x_out=x_out, g_in=g_in, dW=dW, db=db)
    agree("14.9", x_in=x_in, g_out=g_out, dW=dW.mT)
    listed = ", ".join(f"[{', '.join(map(two_decimals, row.tolist()))}]" for row in dW)
    assert any(f"[{listed}]" in text for text in texts(drawn("14.11")[1]))


def test_14_12_and_14_13():
    (x_in,) = given("14.13", "x_{in}")
    g_out = numbers("14.13")["g_{out}"]
    x_out = x_in.relu()
    (g_in,) = gradients((g_out @ x_out).sum(), x_in)
    agree("14.13", x_out=x_out, g_in=g_in)
    agree("14.12", g_out=g_out, g_in=g_in, H=torch.diag((x_in[:, 0] > 0).double()))


def test_14_14():
    y_hat, y = given("14.14", "\\hat{y}", "y")
    J = (y_hat - y).square().sum()
    agree("14.14", J=J, g_in=gradients(J, y_hat)[0])


def test_14_15_and_14_16():
    values, (g_x, g_z, g_h, g_y, *_) = the_mlp()
    agree("14.15", **values)
    W_1, W_2 = numbers("14.15")["W_1"], numbers("14.15")["W_2"]
    H = torch.diag((values["z"][:, 0] > 0).double())
    agree("14.16", g_x=g_x, g_z=g_z, g_h=g_h, g_y=g_y, W_1_T=W_1.mT, W_2_T=W_2.mT, H=H)


def test_14_17():
    x_0, y, W_1, W_2, W_3 = given("14.17", "x_0", "y", "W_1", "W_2", "W_3")
    J = (W_3 @ (W_2 @ (W_1 @ x_0).relu()).relu() - y).square().sum()
    g_0, dW_1, dW_2, dW_3 = gradients(J, x_0, W_1, W_2, W_3)
    agree("14.17", J=J, g_0=g_0, dW_1=dW_1, dW_2=dW_2, dW_3=dW_3)


def test_14_17_has_an_edge_for_each_input_of_a_layer():
    network, _ = figures_network.recorded_network()
    edges = {(a.name, b.name) for a, b in figures_network.edges(network)}
    W_1, W_2, W_3 = (f"theta_{i}_weight" for i in (0, 2, 4))
    assert edges == {
        ("x_0", "x_1"), (W_1, "x_1"), ("x_1", "x_2"), ("x_2", "x_3"), (W_2, "x_3"), ("x_3", "x_4"), ("x_4", "x_5"),
        (W_3, "x_5"), ("x_5", "J"), ("y", "J"),
        ("g_J", "g_5"), ("x_5", "g_5"), ("y", "g_5"), ("g_5", "g_4"), (W_3, "g_4"), ("g_4", "g_3"), ("x_3", "g_3"),
        ("g_3", "g_2"), (W_2, "g_2"), ("g_2", "g_1"), ("x_1", "g_1"), ("g_1", "g_0"), (W_1, "g_0"),
        ("g_5", f"dJ_d{W_3}"), ("x_4", f"dJ_d{W_3}"), ("g_3", f"dJ_d{W_2}"), ("x_2", f"dJ_d{W_2}"),
        ("g_1", f"dJ_d{W_1}"), ("x_0", f"dJ_d{W_1}"),
    }  # fmt: skip


def test_14_17_names_every_line():
    """Each value that a layer reads is named where its line ends, or at the value itself."""
    network, _ = figures_network.recorded_network()
    written = [words for words, _ in drawn("14.17")[0].texts]
    for value in ("x_1", "x_3", "x_5", "g_1", "g_3", "g_5"):  # read by two layers: two lines
        assert written.count(f"${value}$") == 2, value
    for value in ("W_1", "W_2", "W_3", "y", "x_0"):  # and the value itself
        assert written.count(f"${value}$") == 2, value
    assert [written.count(f"${value}$") for value in ("x_2", "x_4", "g_2", "g_4")] == [2, 2, 1, 1]


def test_14_18_and_14_19():
    for number in ("14.18", "14.19"):
        shown = numbers(number)
        a, b, x_in = shown["x_{in}^a"], shown["x_{in}^b"], shown["x_{in}"]
        agree(number, out_a=x_in, out_b=x_in)
        assert two_decimals(float(a[0])) in texts(drawn(number)[1])
        merged = torch.cat([a, b]).flatten().tolist()
        assert " ".join(map(two_decimals, merged)) in " ".join(texts(drawn(number)[1]))
    shown = numbers("14.19")
    assert torch.equal(shown["g_{in}"], shown["g_{out}^a"] + shown["g_{out}^b"])
    assert [*shown["g_{in}^a"][0], *shown["g_{in}^b"][0]] == [0.25, -0.75, 1.5]


def test_14_20():
    from chapter14.lesson.examples import EXAMPLES

    x_0, y = (v.flatten() for v in given("14.20", "x_0", "y"))
    W_1, W_2, W_3 = (torch.tensor(EXAMPLES["dag"].given[f"W_{i}"], dtype=torch.float64) for i in (1, 2, 3))
    x_1 = W_1 @ x_0
    a, b = x_1.clone(), x_1.clone()
    x_5 = torch.cat([a.relu(), W_2 @ b])
    x_6 = W_3 @ x_5
    J = (x_6 - y).square().sum()
    g_0, g_a, g_b, g_5, g_6, g_y = gradients(J, x_0, a, b, x_5, x_6, y)
    agree("14.20", x_5=x_5, x_6=x_6, J=J, g_0=g_0, g_5=g_5, g_6=g_6)
    agree("14.20", **{"x_2^a": a, "x_2^b": b, "g_2^a": g_a, "g_2^b": g_b})
    assert torch.allclose(numbers("14.20")["g_y"].flatten(), g_y)


def test_14_21():
    shown = numbers("14.21")
    one, other = (shown[f"\\partial J/\\partial \\theta^{i}"] for i in (1, 2))
    agree("14.21", dtheta=one + other)
    assert one.abs().max() > 0.1 and other.abs().max() > 0.1


def test_14_22():
    values, (g_x, _, _, _, dW_1, dW_2, g_y) = the_mlp()
    agree("14.22", J=values["J"], dW_1=dW_1, dW_2=dW_2)
    agree("14.22", **{"\\partial J/\\partial x_0": g_x, "\\partial J/\\partial y": g_y})


def test_14_23_shows_the_descent():
    picture, svg = drawn(CAT)
    J = picture.numbers["J"]
    assert J[-1] < J[0] and texts(svg).count("step 1") == 1 and svg.count("<image") == 6
    assert f"$J$ = {two_decimals(float(J[0]))}" in texts(svg) and any(SENTENCE in text for text in texts(svg))


def test_the_committed_14_23_shows_the_current_weights():
    weights = fingerprint(load_network("embedded").model.state_dict())[:12]
    written = " ".join(texts(committed(CAT).read_text(encoding="utf-8")))
    assert f"Weights {weights}" in written, "run chapter14 figures 14.23 --out assets/figures"
    values = [float(v.replace("−", "-")) for v in re.findall(r"\$J\$ = (−?[\d.]+)", written)]
    assert len(values) == 6 and values[-1] < values[0]


@pytest.mark.parametrize("number", EXACT)
def test_committed_figures_are_current(number):
    """Byte for byte with the matplotlib version that drew them; all but positions with another."""
    import matplotlib

    svg, before = drawn(number)[1], committed(number).read_text(encoding="utf-8")
    assert texts(svg) == texts(before)
    style = re.compile(r'style="(.*?)"')
    assert style.findall(svg) == style.findall(before) and svg.count("<path") == before.count("<path")
    if f"Matplotlib v{matplotlib.__version__}," in before:
        assert svg == before


def test_drawing_ignores_the_matplotlibrc():
    import matplotlib

    picture, svg = drawn("14.12")
    with matplotlib.rc_context(
        {"font.size": 30, "svg.fonttype": "none", "mathtext.fontset": "cm", "svg.hashsalt": None}
    ):
        again = figure("14.12")
        assert again.svg() == svg and again.png() == picture.png()


@pytest.mark.parametrize("number", FIGURES)
def test_every_number_is_written(number):
    picture, svg = drawn(number)
    written = texts(svg)
    if number != CAT:
        assert all(two_decimals(v) in written for values in picture.numbers.values() for v in values.flatten().tolist())
    assert sorted(written) == sorted(words for words, _ in picture.texts)


@pytest.mark.parametrize("number", FIGURES)
def test_no_texts_overlap(number):
    for (words, one), (others, other) in combinations(drawn(number)[0].texts, 2):
        across = min(one.right, other.right) - max(one.left, other.left)
        down = min(one.bottom, other.bottom) - max(one.top, other.top)
        assert across < 0.02 or down < 0.02, f"{words!r} and {others!r}"


@pytest.mark.parametrize("number", FIGURES)
def test_the_png_is_as_wide_as_a_page_and_small(number):
    path = committed(number, "png")
    with Image.open(path) as image:
        assert image.width == 1260
    assert path.stat().st_size < 150_000


def test_the_folder_has_only_the_figures():
    assert {p.name for p in COMMITTED.iterdir()} == {f"{stem(n)}.{end}" for n in FIGURES for end in ("svg", "png")}
    assert list(FIGURES) == [f"14.{n}" for n in range(1, 24)]
    assert sum(p.stat().st_size for p in COMMITTED.iterdir()) < 3_000_000


def test_the_colours_are_those_of_the_chapter():
    assert (PARAMS, DATA, BACK, GRADIENT, LAYER) == COLOURS
    assert all(f"stroke: {colour}" in drawn("14.17")[1] for colour in COLOURS[:4])
    assert f"fill: {LAYER}" in drawn("14.17")[1]


def test_dark_mode_changes_background_and_text(chromium):
    def corner(scheme):
        tab = chromium.new_page(viewport={"width": 800, "height": 300}, color_scheme=scheme)
        tab.set_content(drawn("14.3")[1][drawn("14.3")[1].index("<svg") :])
        look = "[...document.querySelectorAll('svg g, svg path')].map(e => getComputedStyle(e).fill)"
        found = set(tab.evaluate(look))
        tab.close()
        return found

    def rgb(colour):
        return f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"

    light, dark = corner("light"), corner("dark")
    assert {rgb(c) for c in DARK} <= light and not {rgb(c) for c in DARK} & dark
    assert {rgb(c) for c in DARK.values()} <= dark and rgb(LAYER) in light & dark


def test_the_page_shows_all_figures():
    text = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert text == page("../assets/figures")
    assert all((ROOT / "docs" / path).is_file() for path in re.findall(r"!\[.*?\]\((.*?)\)", text))


def test_the_command_writes_figures_and_a_page(tmp_path, capsys):
    assert main(["figures", "14.2", "14.18", "--out", str(tmp_path / "f"), "--page", str(tmp_path / "p.md")]) == 0
    assert {p.name for p in (tmp_path / "f").iterdir()} == {"14.02.svg", "14.02.png", "14.18.svg", "14.18.png"}
    assert (tmp_path / "f" / "14.02.svg").read_text(encoding="utf-8") == drawn("14.2")[1]
    text = (tmp_path / "p.md").read_text(encoding="utf-8")
    assert "![Figure 14.18](f/14.18.svg)" in text and "## 14.3" not in text
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_unknown_figure(capsys):
    assert main(["figures", "14.2", "14.24", "x"]) == 2
    assert capsys.readouterr().err == "chapter14 figures: 14.24, x: the chapter has figures 14.1 to 14.23.\n"


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert main(["figures", "14.2", "--out", str(tmp_path)]) == 2
    assert "pip install matplotlib" in capsys.readouterr().err
