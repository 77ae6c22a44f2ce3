"""The state of a training run as one safetensors file: tensors, and the rest as JSON in its metadata; no pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ..files import whole


def save(path: Path, models: dict[str, nn.Module], optimiser: Optimizer, generator: Generator, **rest: Any) -> None:
    """Everything that a run goes on from, whole."""
    from safetensors.torch import save_file

    tensors = {f"{name}.{key}": t for name, model in models.items() for key, t in model.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors["generator"] = generator.get_state()
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with whole(path) as beside:
        save_file(tensors, beside, {"rest": json.dumps(rest)})


def load(path: Path, models: dict[str, nn.Module], optimiser: Optimizer, generator: Generator) -> dict[str, Any]:
    """Put it all back, and return the rest."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        rest = json.loads(file.metadata()["rest"])
    for name, model in models.items():
        model.load_state_dict(_under(name, tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for key, t in _under("optimiser", tensors).items():
        i, name = key.split(".")
        state.setdefault(int(i), {})[name] = t
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    generator.set_state(tensors["generator"])
    return rest


def _under(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
