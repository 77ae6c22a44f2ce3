"""The layers as modules: each a subclass of its twin in `torch.nn`, with its constructor, `state_dict` and `repr`.

A module owns the parameters and hands them to the layer as inputs, (14.1): `forward` is one line. Containers
are torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import Identity as Identity
from torch.nn import Module as Module
from torch.nn import ModuleDict as ModuleDict
from torch.nn import ModuleList as ModuleList
from torch.nn import Parameter as Parameter
from torch.nn import ParameterDict as ParameterDict
from torch.nn import ParameterList as ParameterList
from torch.nn import Sequential as Sequential
from torch.nn import init as init

from . import functional as F

# The chapter's own


class Branch(nn.Module):
    """x_in → n copies of it (14.38); going back, the ways add up (14.46)."""

    def __init__(self, n: int = 2):
        super().__init__()
        self.n = n

    def forward(self, x_in: Tensor) -> tuple[Tensor, ...]:
        return F.branch(x_in, self.n)

    def extra_repr(self) -> str:
        return f"n={self.n}"


class Merge(nn.Module):
    """x_in^a, x_in^b, ... → one tensor (14.37), along `dim`; with `dim=None` as vectors, whatever their shapes."""

    def __init__(self, dim: int | None = -1):
        super().__init__()
        self.dim = dim

    def forward(self, *x_in: Tensor) -> Tensor:
        return F.merge(*x_in, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Pointwise(nn.Module):
    """Any h with its h' (14.30), both functions of a tensor, entry by entry."""

    def __init__(self, h: Callable[[Tensor], Tensor], h_prime: Callable[[Tensor], Tensor]):
        super().__init__()
        self.h, self.h_prime = h, h_prime

    def forward(self, x_in: Tensor) -> Tensor:
        return F.pointwise(x_in, self.h, self.h_prime)

    def extra_repr(self) -> str:
        return ", ".join(getattr(f, "__name__", repr(f)) for f in (self.h, self.h_prime))


class L2Loss(nn.Module):
    """‖ŷ - y‖² of each datapoint, and the mean of those (14.34)."""

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        return F.l2_loss(y_hat, y, self.reduction)


# torch.nn's


class Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)


class Flatten(nn.Flatten):
    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)


class ReLU(nn.ReLU):
    """`at_zero` is h'(0): 1 in the chapter (14.32), 0 in PyTorch."""

    def __init__(self, inplace: bool = False, at_zero: float = 1):
        super().__init__(inplace)
        self.at_zero = at_zero

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, at_zero=self.at_zero)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [super().extra_repr(), "" if self.at_zero == 1 else f"at_zero={self.at_zero}"]))


class LeakyReLU(nn.LeakyReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)


class Sigmoid(nn.Sigmoid):
    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class GELU(nn.GELU):
    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)


class SiLU(nn.SiLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Softplus(nn.Softplus):
    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class ELU(nn.ELU):
    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)


class Softmax(nn.Softmax):
    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(nn.Softmin):
    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(nn.LogSoftmax):
    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Dropout(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)


class Embedding(nn.Embedding):
    def forward(self, input: Tensor) -> Tensor:
        options = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return F.embedding(input, self.weight, *options)


class LayerNorm(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def _batch_norm(self: Any, input: Tensor) -> Tensor:
    """By the batch where it trains or has nothing else; by the running statistics otherwise."""
    self._check_input_dim(input)
    learns = self.training and self.track_running_stats
    counts = learns and self.num_batches_tracked is not None
    momentum = self.momentum
    if counts and momentum is None:  # a running mean over all batches so far
        momentum = 1.0 / float(self.num_batches_tracked + 1)
    by_batch = self.training or (self.running_mean is None and self.running_var is None)
    mean, var = (None, None) if by_batch and not learns else (self.running_mean, self.running_var)
    x_out = F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum or 0.0, self.eps)
    if counts:  # only now, so that a batch that is refused does not count
        self.num_batches_tracked.add_(1)
    return x_out


class BatchNorm1d(nn.BatchNorm1d):
    forward = _batch_norm


class BatchNorm2d(nn.BatchNorm2d):
    forward = _batch_norm


class BatchNorm3d(nn.BatchNorm3d):
    forward = _batch_norm


def _conv(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode), 0
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    return _conv_forward


class Conv1d(nn.Conv1d):
    _conv_forward = _conv(F.conv1d)


class Conv2d(nn.Conv2d):
    _conv_forward = _conv(F.conv2d)


class Conv3d(nn.Conv3d):
    _conv_forward = _conv(F.conv3d)


def _conv_transpose(axes: int, convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        slide = (self.stride, self.padding, self.kernel_size)
        rest = self._output_padding(input, output_size, *slide, axes, self.dilation)
        return convolve(input, self.weight, self.bias, self.stride, self.padding, rest, self.groups, self.dilation)

    return forward


class ConvTranspose1d(nn.ConvTranspose1d):
    forward = _conv_transpose(1, F.conv_transpose1d)


class ConvTranspose2d(nn.ConvTranspose2d):
    forward = _conv_transpose(2, F.conv_transpose2d)


class ConvTranspose3d(nn.ConvTranspose3d):
    forward = _conv_transpose(3, F.conv_transpose3d)


class PixelShuffle(nn.PixelShuffle):
    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(nn.PixelUnshuffle):
    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)


def _avg_pool(pool: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(self: Any, input: Tensor) -> Tensor:
        divisor = [self.divisor_override] if hasattr(self, "divisor_override") else []
        window = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return pool(input, *window, *divisor)

    return forward


def _max_pool(pool: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: Any, input: Tensor) -> Any:
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        return pool(input, *window, self.ceil_mode, self.return_indices)

    return forward


class AvgPool1d(nn.AvgPool1d):
    forward = _avg_pool(F.avg_pool1d)


class AvgPool2d(nn.AvgPool2d):
    forward = _avg_pool(F.avg_pool2d)


class AvgPool3d(nn.AvgPool3d):
    forward = _avg_pool(F.avg_pool3d)


class MaxPool1d(nn.MaxPool1d):
    forward = _max_pool(F.max_pool1d)


class MaxPool2d(nn.MaxPool2d):
    forward = _max_pool(F.max_pool2d)


class MaxPool3d(nn.MaxPool3d):
    forward = _max_pool(F.max_pool3d)


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class L1Loss(nn.L1Loss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(nn.MSELoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(nn.NLLLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        how: Any = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        return F.cross_entropy(input, target, self.weight, label_smoothing=self.label_smoothing, **how)
