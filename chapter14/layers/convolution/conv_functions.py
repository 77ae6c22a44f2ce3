"""torch's convolution functions: 1 to 3 axes, with or without a batch, padding by name. The maps: convolution.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...layer.base import cast
from ...layer.shape import ShapeError, check_shapes, was_given
from ..core.arithmetic import plus
from ..core.arrange import pad, permute, reshape
from ..core.dimensions import Sizes, in_dimensions, per_axis
from .convolution import Slide, conv, conv_transpose


def _on_batches(axes: int, name: str, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`run`, with a batch axis added where x has none."""
    if x.ndim == axes + 2:
        return run(x)
    if x.ndim == axes + 1:
        x_out = run(reshape(x, (1, *x.shape)))
        return reshape(x_out, x_out.shape[1:])
    words = ", *" * axes
    raise ShapeError(f"{name}: x does not fit. It expects x [B, C{words}] or [C{words}]; {was_given(x=x)}")


def _check_kernel(name: str, weight: Tensor, axes: int, bias: Tensor | None) -> None:
    if bias is not None and bias.is_complex() and not weight.is_complex():
        raise TypeError(f"{name}: a complex bias needs a complex weight; it was given a real one. Make it complex too.")
    if weight.ndim != axes + 2:
        raise ShapeError(f"{name}: it expects weight [M, C{', *' * axes}]; {was_given(weight=weight)}")


def _conv(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: str | Sizes = 0,
    dilation: Sizes = 1, groups: int = 1, *, axes: int = 2,
) -> Tensor:  # fmt: skip
    """input [B, C, *], weight [M, C/groups, *], bias [M] → [B, M, *]. As `torch.nn.functional.conv{axes}d`."""
    _check_kernel(f"conv{axes}d", weight, axes, bias)
    stride, dilation = per_axis(stride, axes), per_axis(dilation, axes)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        if any(s != 1 for s in stride):
            raise ShapeError(f"conv{axes}d: padding='same' is for stride 1; it was given stride={stride}.")
        both = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        if any(n % 2 for n in both):  # an even kernel: as in torch, one entry more at the end
            input = pad(input, [n for size in reversed(both) for n in (0, size % 2)])
        padding = [n // 2 for n in both]
    elif isinstance(padding, str):
        raise ShapeError(f"conv{axes}d: padding is a size, 'same' or 'valid'; it was given {padding!r}.")
    slide = Slide(stride, per_axis(padding, axes), dilation, groups)
    return _on_batches(axes, f"conv{axes}d", lambda x: conv(x, weight, bias, slide), input)


def _conv_transpose(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sizes = 1, padding: Sizes = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1, *, axes: int = 2,
) -> Tensor:  # fmt: skip
    """input [B, M, *], weight [M, C/groups, *], bias [C]. As `torch.nn.functional.conv_transpose{axes}d`."""
    _check_kernel(f"conv_transpose{axes}d", weight, axes, bias)
    slide = Slide(per_axis(stride, axes), per_axis(padding, axes), per_axis(dilation, axes), groups)
    rest = per_axis(output_padding, axes)
    if any(r >= max(s, d) for r, s, d in zip(rest, slide.stride, slide.dilation, strict=True)):
        raise ShapeError(
            f"conv_transpose{axes}d: output_padding is less than the stride or the dilation; it was given "
            f"output_padding={output_padding}, stride={stride}, dilation={dilation}."
        )
    run = _far if any(r >= s for r, s in zip(rest, slide.stride, strict=True)) else conv_transpose
    return _on_batches(axes, f"conv_transpose{axes}d", lambda x: run(x, weight, bias, slide, rest), input)


def _far(x: Tensor, W: Tensor, b: Tensor | None, slide: Slide, rest: Sequence[int]) -> Tensor:
    """`conv_transpose` where the output is padded by a stride or more, which torch allows where the dilation is larger
    still: without padding, which is then applied by cropping or padding x_out."""
    none = (0,) * len(rest)
    x_out = conv_transpose(x, W, None, Slide(slide.stride, none, slide.dilation, slide.groups), none)
    widths = [n for p, r in zip(reversed(slide.padding), reversed(rest), strict=True) for n in (-p, r - p)]
    x_out = pad(x_out, widths)
    return x_out if b is None else plus(x_out, reshape(cast(b, x_out.dtype), (b.shape[0], *(1 for _ in rest))))


conv1d, conv2d, conv3d = in_dimensions(_conv)
conv_transpose1d, conv_transpose2d, conv_transpose3d = in_dimensions(_conv_transpose)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """input [T, B, C], weight [K, C, M], bias [M] → [T', B, M]. As `torch.nn.functional.conv_tbc`."""
    check_shapes("conv_tbc", input=(input, "T B C"), weight=(weight, "K C M"), bias=(bias, "M"))
    x_out = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad)
    return permute(x_out, (2, 0, 1))
