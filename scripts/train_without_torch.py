"""Trains an MLP on scikit-learn's digits in onnxruntime alone, and compares its weights with PyTorch's.

    python scripts/train_without_torch.py [--steps 100] [--out FOLDER]

Three processes. The first writes step.onnx, the bigger network of section 14.6.5 with its update (14.9), and the digits.
This one trains: it reads those two files, and has no PyTorch in it. The third trains the same network in PyTorch, torch.nn
by autograd and torch.optim.SGD, and says how far apart the weights are. It takes `pip install '.[onnx]'`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HIDDEN, BATCH, ETA = 32, 64, 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=100, help="how many steps of descent (default 100)")
    parser.add_argument("--out", type=Path, help="where step.onnx and digits.npz go (default: nowhere for long)")
    parser.add_argument("--only", choices=("write", "train", "compare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        globals()[options.only](options.out, options.steps)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        again = [sys.executable, __file__, "--out", str(out), "--steps", str(options.steps), "--only"]
        subprocess.run([*again, "write"], check=True)
        train(out, options.steps)
        print(f"PyTorch in this process: {'torch' in sys.modules}", flush=True)
        return subprocess.run([*again, "compare"]).returncode


def batches(digits: dict, steps: int):
    """Batch after batch, from the beginning again where they end."""
    n = len(digits["x"]) // BATCH
    for i in range(steps):
        at = slice(i % n * BATCH, (i % n + 1) * BATCH)
        yield digits["x"][at], digits["y"][at]


def train(out: Path, steps: int) -> None:
    """In onnxruntime alone."""
    import onnxruntime

    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3  # it says of each θ that it has a default value
    session = onnxruntime.InferenceSession(out / "step.onnx", quiet)
    digits = np.load(out / "digits.npz")
    names = [value.name.removesuffix(".next") for value in session.get_outputs() if value.name.endswith(".next")]
    theta: dict[str, np.ndarray] = {}  # to begin with, the file's own
    for i, (x, y) in enumerate(batches(digits, steps)):
        *moved, J, scores = session.run(None, {**theta, "x": x, "y": y, "eta": np.array(ETA, np.float32)})
        theta = dict(zip(names, moved, strict=True))
        if i % max(steps // 5, 1) == 0 or i == steps - 1:
            right = (scores.argmax(1) == y).mean()
            print(f"step {i + 1:4}   J = {J:.4f}   {right:4.0%} of the batch right")
    np.savez(out / "weights.npz", **theta)


def the_model():
    import torch

    torch.manual_seed(14)
    return torch.nn.Sequential(torch.nn.Linear(64, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10))


def write(out: Path, steps: int) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import torch
    from sklearn.datasets import load_digits

    import chapter14
    import chapter14.functional as F
    from chapter14.graph.exported import save_onnx

    digits = load_digits()
    order = np.random.default_rng(14).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype(np.float32), digits.target[order].astype(np.int64)
    np.savez(out / "digits.npz", x=x, y=y)
    first = torch.from_numpy(x[:BATCH]), torch.from_numpy(y[:BATCH])
    network = chapter14.forward_backward(chapter14.convert(the_model()), F.cross_entropy, *first)
    save_onnx(network, out / "step.onnx", *first)


def compare(out: Path, steps: int) -> None:
    import torch

    model = the_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)
    for x, y in batches(np.load(out / "digits.npz"), steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    weights = np.load(out / "weights.npz")
    worst = max(np.abs(p.detach().numpy() - weights[f"theta.{name}"]).max() for name, p in model.named_parameters())
    print(f"after {steps} steps, weights differ from those of PyTorch's autograd and SGD by {worst:.1e} at most")
    if worst > 1e-5:
        sys.exit("that is more than 1e-5")


if __name__ == "__main__":
    sys.exit(main())
