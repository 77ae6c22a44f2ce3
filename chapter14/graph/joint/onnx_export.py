"""The bigger network as an ONNX file: forward, backward and update, to run without PyTorch (14.6.5, 14.9).

    inputs     θ by name, x, y, eta []          the default of θ are the weights at the time of export
    outputs    θ - η dJ/dθ, in the order of the inputs; J []; x_L

The file has the hand-written backward pass, because that is part of the forward of the exported network. Of a single
layer, torch.export and the ONNX exporter drop it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...files import whole
from .network import Descent, ForwardBackward


def save_onnx(network: ForwardBackward, path: str | Path, x: Tensor, y: Tensor) -> Path:
    """Writes a step of descent on inputs of these shapes to an ONNX file.

    Raises:
        ImportError: the packages onnx and onnxscript are not installed.
        ValueError: the network writes into buffers, which an ONNX file cannot.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # the exporter is written in it
    except ImportError as error:
        raise ImportError("save_onnx takes two packages that are not installed: pip install onnx onnxscript") from error
    step = Descent(network, x, y).eval()
    if step.writes:
        writes = ", ".join(step.writes)
        raise ValueError(f"save_onnx: an ONNX file cannot hold writes into {writes}; set evaluation mode first.")
    theta = {name: p.detach() for name, p in network.given(x, y).theta.items() if p.requires_grad}
    names = [f"theta.{name}" for name in theta]
    eta = torch.tensor(0.1, dtype=next(iter(theta.values())).dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        exported: Any = torch.onnx.export(
            step, (theta, x, y, eta), dynamo=True, verbose=False,
            input_names=[*names, "x", "y", "eta"], output_names=[*(f"{n}.next" for n in names), "J", "x_L"],
        )  # fmt: skip
    model = exported.model_proto
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")  # paths of this machine's files
    for name, p in zip(names, theta.values(), strict=True):
        graph.initializer.append(onnx.numpy_helper.from_array(p.cpu().numpy(), name))  # its default
    onnx.checker.check_model(model)
    path = Path(path)
    with whole(path) as beside:
        beside.write_bytes(model.SerializeToString())
    return path
