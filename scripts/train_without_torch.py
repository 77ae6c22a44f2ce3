"""Trains an MLP on scikit-learn's digits in onnxruntime alone, and compares its weights with PyTorch's.

    python scripts/train_without_torch.py [--steps 100] [--out FOLDER]

Three processes. The first writes step.onnx, the bigger network of section 14.6.5 with its update (14.9), and the
digits. The second trains: it reads those two files, and has no PyTorch in it. The third trains the same network in
PyTorch, torch.nn by autograd and torch.optim.SGD, and says how far apart the weights are. It takes what
`pip install '.[onnx]'` installs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HIDDEN, BATCH, ETA = 32, 64, 0.5
TRAINED = 23 * BATCH  #: of 1797 digits; the next 5 batches are held out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=100, help="how many steps of descent (default 100)")
    parser.add_argument("--out", type=Path, help="where step.onnx, digits.npz and weights.npz go (default: away)")
    parser.add_argument("--only", choices=PARTS, help="one of the three; what those before it wrote is in --out")
    options = parser.parse_args()
    if options.only:
        if options.out is None:
            parser.error("--only: which --out?")
        options.out.mkdir(parents=True, exist_ok=True)
        return PARTS[options.only](options.out, options.steps)
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__, "--out", str(options.out or folder), "--steps", str(options.steps)]
        codes = (subprocess.run([*again, "--only", part]).returncode for part in PARTS)
        return next(filter(None, codes), 0)


def batches(digits: Any, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batch after batch of those that are trained on, from the beginning again where they end."""
    for i in range(steps):
        yield batch(digits, i * BATCH % TRAINED)


def batch(digits: Any, start: int) -> tuple[np.ndarray, np.ndarray]:
    return digits["x"][start : start + BATCH], digits["y"][start : start + BATCH]


def the_model() -> Any:
    import torch

    torch.manual_seed(14)
    return torch.nn.Sequential(torch.nn.Linear(64, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 10))


def write(out: Path, steps: int) -> int:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import torch
    from sklearn.datasets import load_digits

    import chapter14
    import chapter14.functional as F
    from chapter14.graph.joint.onnx_export import save_onnx

    digits = load_digits()
    order = np.random.default_rng(14).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype(np.float32), digits.target[order].astype(np.int64)
    np.savez(out / "digits.npz", x=x, y=y)
    first = torch.from_numpy(x[:BATCH]), torch.from_numpy(y[:BATCH])
    network = chapter14.forward_backward(chapter14.convert(the_model()), F.cross_entropy, *first)
    save_onnx(network, out / "step.onnx", *first)
    return 0


def train(out: Path, steps: int) -> int:
    """In onnxruntime alone."""
    import onnxruntime

    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3  # it says of each θ that it has a default value
    session = onnxruntime.InferenceSession(out / "step.onnx", quiet)
    digits = dict(np.load(out / "digits.npz"))
    names = [value.name.removesuffix(".next") for value in session.get_outputs() if value.name.endswith(".next")]
    theta: dict[str, np.ndarray] = {}  # to begin with, the file's own

    def step(x: np.ndarray, y: np.ndarray, eta: float) -> tuple[dict[str, np.ndarray], float, np.ndarray]:
        *moved, J, scores = session.run(None, {**theta, "x": x, "y": y, "eta": np.array(eta, np.float32)})
        return dict(zip(names, moved, strict=True)), float(J), scores

    for i, (x, y) in enumerate(batches(digits, steps)):
        theta, J, _ = step(x, y, ETA)
        if i % max(steps // 5, 1) == 0 or i == steps - 1:
            print(f"step {i + 1:4}   J = {J:.4f}")
    held_out = [batch(digits, start) for start in range(TRAINED, len(digits["x"]) - BATCH + 1, BATCH)]
    right = np.mean([step(x, y, 0)[2].argmax(1) == y for x, y in held_out])  # η = 0: the same file, and nothing moves
    print(f"of {len(held_out) * BATCH} digits that it has not seen, {right:.0%} right", flush=True)
    np.savez(out / "weights.npz", **theta)
    if sys.modules.get("torch"):
        print("PyTorch is in this process")
        return 1
    return 0


def compare(out: Path, steps: int) -> int:
    import torch

    model = the_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)
    for x, y in batches(dict(np.load(out / "digits.npz")), steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    weights = np.load(out / "weights.npz")
    worst = max(np.abs(p.detach().numpy() - weights[f"theta.{name}"]).max() for name, p in model.named_parameters())
    print(f"after {steps} steps, weights differ from those of PyTorch's autograd and SGD by {worst:.1e} at most")
    if worst > 1e-5:
        print("that is more than 1e-5")
        return 1
    return 0


PARTS = {"write": write, "train": train, "compare": compare}

if __name__ == "__main__":
    sys.exit(main())
