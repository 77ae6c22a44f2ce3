"""Convolution: one small linear layer, slid over an image. Three maps, each linear in either of its two arguments.

    conv             x_out[n, m, p] = sum_ck W[m, c, k] x_in[n, c, p s + k d - pad]      images in, images out
    conv_transpose   its L^x, transposed: every entry of g writes W where conv read it      images back
    correlate        dJ/dW[m, c, k] = sum_np g[n, m, p] x_in[n, c, p s + k d - pad]         two images, a kernel

with stride s, dilation d, over 1 to 3 axes. Each is the way back of the others: of <g, conv(x, W)>, a number that is
linear in g, x and W, they are the three gradients. So all that there is to know is which argument goes where.

`correlate` has one fast kernel in ATen, `convolution_backward` asked for the weight alone. It is a forward primitive
here, a linear map like the others; the kernel wants the size of W, not its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..layer import Layer
from ..shape import ShapeError, in_words
from .arithmetic import added
from .arrange import pad, reshape
from .branch import total


class Slide(NamedTuple):
    """How the kernel goes over the image: one number an axis."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def rest(self, image: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """How many of the last entries of each axis no stride reaches: what a transposed convolution has to add."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) % s
            for n, k, s, p, d in zip(image, kernel, self.stride, self.padding, self.dilation, strict=True)
        )


def _bias_prime(g: Tensor) -> Tensor:
    """b branches to every datapoint and place (14.7), so its gradient adds up over them."""
    M = g.shape[1]
    return reshape(total(g, (1, M, *(1 for _ in g.shape[2:]))), (M,))


class Conv(Layer):
    autocast = "lower"
    letters = {"x": "B C ...", "W": "M C/groups ...", "b": "M"}

    @staticmethod
    def forward(x, W, b, slide):
        stride, padding, dilation, groups = slide
        return torch.convolution(x, W, b, stride, padding, dilation, False, (0,) * len(stride), groups)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, b, slide = inputs
        return x if needs[1] else None, W if needs[0] else None, x.shape, W.shape, slide

    @staticmethod
    def backward(needs, g, x, W, x_shape, W_shape, slide):
        rest = slide.rest(x_shape[2:], W_shape[2:])
        return (
            conv_transpose(g, W, None, slide, rest) if needs[0] else None,
            correlate(x, g, W_shape, slide) if needs[1] else None,
            _bias_prime(g) if needs[2] else None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, W, b, slide):
        dx, dW, db, _ = tangents
        if dx is None and dW is None:
            return conv(torch.zeros_like(x), torch.zeros_like(W), db, slide)
        return added(
            None if dx is None else conv(dx, W, db, slide),
            None if dW is None else conv(x, dW, db if dx is None else None, slide),
        )


class ConvTranspose(Layer):
    autocast = "lower"
    letters = {"x": "B M ...", "W": "M C/groups ...", "b": "C"}
    title = "conv_transpose"

    @staticmethod
    def forward(x, W, b, slide, rest):
        stride, padding, dilation, groups = slide
        return torch.convolution(x, W, b, stride, padding, dilation, True, rest, groups)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, b, slide, rest = inputs
        return x if needs[1] else None, W if needs[0] else None, W.shape, slide

    @staticmethod
    def backward(needs, g, x, W, W_shape, slide):
        return (
            conv(g, W, None, slide) if needs[0] else None,
            correlate(g, x, W_shape, slide) if needs[1] else None,
            _bias_prime(g) if needs[2] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, W, b, slide, rest):
        dx, dW, db, *_ = tangents
        if dx is None and dW is None:
            return conv_transpose(torch.zeros_like(x), torch.zeros_like(W), db, slide, rest)
        return added(
            None if dx is None else conv_transpose(dx, W, db, slide, rest),
            None if dW is None else conv_transpose(x, dW, db if dx is None else None, slide, rest),
        )


class Correlate(Layer):
    autocast = "lower"
    letters = {"x": "B C ...", "g": "B M ..."}

    @staticmethod
    def forward(x, g, W_shape, slide):
        stride, padding, dilation, groups = slide
        rest, wanted = (0,) * len(stride), (False, True, False)
        W = g.new_empty(W_shape)  # not an expanded one: the kernel would give it memory, and fill it
        return torch.ops.aten.convolution_backward(
            g, x, W, None, stride, padding, dilation, False, rest, groups, wanted
        )[1]

    @staticmethod
    def remember(needs, inputs, x_out):
        x, g, W_shape, slide = inputs
        return x if needs[1] else None, g if needs[0] else None, x.shape, W_shape, slide

    @staticmethod
    def backward(needs, G, x, g, x_shape, W_shape, slide):
        rest = slide.rest(x_shape[2:], W_shape[2:])
        return (
            conv_transpose(g, G, None, slide, rest) if needs[0] else None,
            conv(x, G, None, slide) if needs[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, g, W_shape, slide):
        dx, dg, *_ = tangents
        return added(
            None if dx is None else correlate(dx, g, W_shape, slide),
            None if dg is None else correlate(x, dg, W_shape, slide),
        )


def conv(x: Tensor, W: Tensor, b: Tensor | None, slide: Slide) -> Tensor:
    """x [B, C, *], W [M, C/groups, *], b [M] → [B, M, *]."""
    return Conv.of(x, W, b, slide)


def conv_transpose(x: Tensor, W: Tensor, b: Tensor | None, slide: Slide, rest: Sequence[int]) -> Tensor:
    """x [B, M, *], W [M, C/groups, *], b [C] → [B, C, *], with `rest` more entries at the end of each axis."""
    return ConvTranspose.of(x, W, b, slide, tuple(rest))


def correlate(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """x [B, C, *], g [B, M, *] → the gradient of W [M, C/groups, *], added up over the batch."""
    return Correlate.of(x, g, torch.Size(W_shape), slide)


# The faces of torch.nn.functional: any number of axes, batched or not, padding by name.


def _each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value) * (axes if len(value) == 1 else 1)


def _on_batches(axes: int, name: str, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """One image without a batch axis is a batch of one."""
    if x.ndim == axes + 2:
        return run(x)
    if x.ndim == axes + 1:
        x_out = run(reshape(x, (1, *x.shape)))
        return reshape(x_out, x_out.shape[1:])
    raise ShapeError(
        f"{name}: x does not fit. It expects x [B, C{', *' * axes}] or [C{', *' * axes}]; it was given x {in_words(x)}."
    )


def _convolve(axes, input, weight, bias, stride, padding, dilation, groups):
    stride, dilation = _each(stride, axes), _each(dilation, axes)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        if any(s != 1 for s in stride):
            raise ValueError(f"conv{axes}d: padding='same' is for stride 1; it was given stride={stride}.")
        both = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        if any(n % 2 for n in both):  # an even kernel: one entry more on the far side, as torch has it
            input = pad(input, [n for size in reversed(both) for n in (0, size % 2)])
        padding = [n // 2 for n in both]
    elif isinstance(padding, str):
        raise ValueError(f"conv{axes}d: padding is a size, 'same' or 'valid'; it was given {padding!r}.")
    slide = Slide(stride, _each(padding, axes), dilation, groups)
    return _on_batches(axes, f"conv{axes}d", lambda x: conv(x, weight, bias, slide), input)


def _convolve_transposed(axes, input, weight, bias, stride, padding, output_padding, groups, dilation):
    slide = Slide(_each(stride, axes), _each(padding, axes), _each(dilation, axes), groups)
    rest = _each(output_padding, axes)
    run = lambda x: conv_transpose(x, weight, bias, slide, rest)  # noqa: E731
    return _on_batches(axes, f"conv_transpose{axes}d", run, input)


Sizes = int | Sequence[int]


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: str | Sizes = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """input [B, C, W], weight [M, C/groups, K], bias [M] → [B, M, W']. As `torch.nn.functional.conv1d`."""
    return _convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: str | Sizes = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """input [B, C, H, W], weight [M, C/groups, K, K], bias [M] → [B, M, H', W']. As `torch.nn.functional.conv2d`."""
    return _convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: str | Sizes = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """input [B, C, D, H, W], weight [M, C/groups, K, K, K], bias [M]. As `torch.nn.functional.conv3d`."""
    return _convolve(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """input [B, M, W], weight [M, C/groups, K], bias [C]. As `torch.nn.functional.conv_transpose1d`."""
    return _convolve_transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """input [B, M, H, W], weight [M, C/groups, K, K], bias [C]. As `torch.nn.functional.conv_transpose2d`."""
    return _convolve_transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Tensor:  # fmt: skip
    """input [B, M, D, H, W], weight [M, C/groups, K, K, K], bias [C]. As `torch.nn.functional.conv_transpose3d`."""
    return _convolve_transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
