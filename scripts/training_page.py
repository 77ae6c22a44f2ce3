"""Writes docs/training.html, which trains the ONNX file of train_without_torch.py in the reader's browser.

    python scripts/training_page.py [--out docs/training.html]

The page is self-contained: the operators as JSON, the weights and scikit-learn's digits in base64, and onnx.js, which
computes each operator. The script needs `pip install '.[onnx]'`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PARTS = HERE / "training_page"
TYPES = {"float32": "<f4", "int64": "<i4", "bool": "u1", "uint8": "u1"}  #: types in the page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "training.html", help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="folder of step.onnx and digits.npz (default: write them)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.folder is None:
            made = [sys.executable, HERE / "train_without_torch.py", "--only", "write", "--out", temporary]
            subprocess.run(made, check=True)
        text = page(folder)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    beside = options.out.with_name(f"{options.out.name}.{os.getpid()}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(options.out)
    print(f"Wrote {options.out}, {len(text.encode()) // 1000} kB.")
    return 0


def page(folder: Path) -> str:
    digits = np.load(folder / "digits.npz")
    data = {
        "network": network(folder / "step.onnx"),
        "x": packed((digits["x"] * 16).round().astype(np.uint8)),
        "y": packed(digits["y"].astype(np.uint8)),
    }
    return Template(_text("page.html")).substitute(
        style=_text("style.css"),
        script="\n".join(map(_text, ("onnx.js", "draw.js", "page.js"))),
        data=json.dumps(data, separators=(",", ":")),
    )


def network(path: Path) -> dict[str, Any]:
    """An ONNX file as JSON: its producer, inputs, outputs, operators in order, and constants.

    Raises:
        SystemExit: onnx.js lacks an operator of the file.
    """
    import onnx

    model = onnx.load(path)
    known = set(re.findall(r"^  (\w+)[:(]", _text("onnx.js"), re.M))
    if missing := {node.op_type for node in model.graph.node} - known:
        sys.exit(f"{path}: onnx.js does not compute {', '.join(sorted(missing))}")
    return {
        "by": f"{model.producer_name} {model.producer_version.split('+')[0]} and onnxscript {version('onnxscript')}",
        "takes": [value.name for value in model.graph.input],
        "gives": [value.name for value in model.graph.output],
        "nodes": [[n.op_type, list(n.input), list(n.output), _attributes(n)] for n in model.graph.node],
        "constants": {t.name: packed(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer},
    }


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def packed(a: np.ndarray) -> list[Any]:
    """Shape, type, and entries in base64."""
    entries = np.ascontiguousarray(a, TYPES[a.dtype.name])
    return [list(a.shape), entries.dtype.name, base64.b64encode(entries.tobytes()).decode()]


def _text(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    sys.exit(main())
