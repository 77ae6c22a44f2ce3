"""Norms, dropout, embedding, recurrent networks and losses, as `torch` has them beneath torch.nn.functional.

The same inputs in another order; a reduction is a number. `cudnn_enabled` only chooses a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer.base import cast
from ...layer.shape import check_floating
from ...layers.loss.likelihood import KlDiv
from ...layers.loss.loss import REDUCTIONS, in_one_shape
from .operands import Calls, by_name


def _batched(norm: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """batch_norm and instance_norm of `torch`: weight and bias come before the running statistics."""

    def call(
        input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
        running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool,
    ) -> Tensor:  # fmt: skip
        return norm(input, running_mean, running_var, weight, bias, training, momentum, eps)

    return call


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean and r are constants, as in PyTorch: they carry no gradient."""
    x_out = F.layer_norm(input, normalized_shape, weight, bias, eps)
    with torch.no_grad():
        return x_out, *_mean_and_r(input, tuple(range(-len(normalized_shape), 0)), eps)


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    x_out = F.group_norm(input, group, weight, bias, eps)
    mean, r = _mean_and_r(F.reshape(input, (N, group, C // group * HxW)), (-1,), eps)
    return x_out, F.reshape(mean, (N, group)), F.reshape(r, (N, group))


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
    """The mean and r = 1 / sqrt(variance + eps) over axes that are kept, in float32 or wider, and rounded once."""
    dtype = x.dtype
    x, also = F.branch(cast(x, torch.promote_types(dtype, torch.float32)))
    mean, too = F.branch(F.mean(x, dims, True))
    c = F.sub(also, too)
    return cast(mean, dtype), cast(F.pow(F.add(F.mean(F.pow(c, 2), dims, True), eps), -0.5), dtype)


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    padding = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """`functional.kl_div` without its warning about the mean."""
    check_floating("kl_div", input=input, target=target)
    return KlDiv.of(*in_one_shape(input, target), REDUCTIONS[reduction], log_target)


def _loss(name: str, parameters: str) -> Calls:
    """`torch.name`, with these parameters in this order; by default it is not reduced."""
    loss: Callable[..., Tensor] = getattr(F, name)

    def call(*args: Any, **kwargs: Any) -> Tensor:
        given = dict(zip(parameters.split()[: len(args)], args, strict=True)) | kwargs
        return loss(**given | {"reduction": REDUCTIONS[given.get("reduction", 0)]})

    return {f"_VF.{name}": call}


def _dropout(name: str) -> Calls:
    """`torch.name`; torch.nn.functional's has another signature."""
    layer = getattr(F, name)
    return {f"_VF.{name}": lambda input, p, train: layer(input, p, train)}


CALLS = by_name(
    F.cdist, F.gru, F.gru_cell, F.lstm, F.lstm_cell, F.rnn_relu, F.rnn_relu_cell, F.rnn_tanh, F.rnn_tanh_cell,
    native_batch_norm, native_group_norm, native_layer_norm,
) | by_name(F.rms_norm, embedding, kl_div, place="_VF.") | {
    "_VF.layer_norm": lambda input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True:
        F.layer_norm(input, normalized_shape, weight, bias, eps),
    "_VF.group_norm": lambda input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True:
        F.group_norm(input, num_groups, weight, bias, eps),
    "_VF.batch_norm": _batched(F.batch_norm),
    "_VF.instance_norm": _batched(F.instance_norm),
}  # fmt: skip
for _name in ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"):
    CALLS |= _dropout(_name)
CALLS |= (
    _loss("binary_cross_entropy_with_logits", "input target weight pos_weight reduction")
    | _loss("cosine_embedding_loss", "input1 input2 target margin reduction")
    | _loss("ctc_loss", "log_probs targets input_lengths target_lengths blank reduction zero_infinity")
    | _loss("hinge_embedding_loss", "input target margin reduction")
    | _loss("margin_ranking_loss", "input1 input2 target margin reduction")
    | _loss("poisson_nll_loss", "input target log_input full eps reduction")
    | _loss("triplet_margin_loss", "anchor positive negative margin p eps swap reduction")
)
