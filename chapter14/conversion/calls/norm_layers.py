"""Norms, as torch itself calls them: the same inputs as torch.nn.functional's, in another order.

`cudnn_enabled` says by which kernel, and makes no other difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ... import functional as F
from ...layer import cast
from ..table import stands_for

stands_for("_VF.rms_norm")(F.rms_norm)


@stands_for("_VF.layer_norm")
def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


@stands_for("_VF.group_norm")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    return F.group_norm(input, num_groups, weight, bias, eps)


@stands_for("_VF.batch_norm")
def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@stands_for("_VF.instance_norm")
def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@stands_for("native_layer_norm")
def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean and r are constants, as PyTorch has them: no gradient comes back through them."""
    x_out = F.layer_norm(input, normalized_shape, weight, bias, eps)
    with torch.no_grad():
        return x_out, *_mean_and_r(input, tuple(range(-len(normalized_shape), 0)), eps)


@stands_for("native_group_norm")
def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    x_out = F.group_norm(input, group, weight, bias, eps)
    mean, r = _mean_and_r(F.reshape(input, (N, group, C // group * HxW)), (-1,), eps)
    return x_out, F.reshape(mean, (N, group)), F.reshape(r, (N, group))


@stands_for("native_batch_norm")
def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The mean and r are constants, as in `native_layer_norm`."""
    x_out = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return x_out, input.new_empty(0), input.new_empty(0)
    with torch.no_grad():
        mean, r = _mean_and_r(input, (0, *range(2, input.ndim)), eps)
    return x_out, mean.flatten(), r.flatten()


def _mean_and_r(x: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
    """The mean and 1 / (standard deviation), over some axes, which are kept; in float32 or wider, and rounded once."""
    dtype = x.dtype
    x, also = F.branch(cast(x, torch.promote_types(dtype, torch.float32)))
    mean, too = F.branch(F.mean(x, dims, True))
    c = F.sub(also, too)
    return cast(mean, dtype), cast(F.pow(F.add(F.mean(F.pow(c, 2), dims, True), eps), -0.5), dtype)
