"""Transformers: attention and a feed-forward network in turn, each with a residual branch (section 14.7).

    x = norm(x + f(x)),  or x + f(norm(x)) with `norm_first`

The modules inside are ours too. Training and inference take one path: PyTorch's second one, of nested tensors, is not
by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as native

from .. import functional as F
from ..layers.pointwise.piecewise import torch_relu
from .fallback import or_natively
from .submodules import OURS, ours_inside


def _activation(h: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Ours, of torch's `relu` and `gelu`; any other function is called as it is."""
    if h is native.relu:
        return torch_relu
    return F.gelu if h is native.gelu else h


def _feed_forward(self: Any, x: Tensor) -> Tensor:
    return self.linear2(self.dropout(_activation(self.activation)(self.linear1(x))))


def _attend(attention: nn.Module, x: Tensor, at: Tensor, mask: Any, padding: Any, causal: bool) -> Tensor:
    return attention(x, at, at, padding, need_weights=False, attn_mask=mask, is_causal=causal)[0]


def _residual(self: Any, x: Tensor, norm: nn.Module, f: Callable[[Tensor], Tensor]) -> Tensor:
    """A residual branch: x, and f of x, added."""
    x, branch = F.branch(x)
    return F.add(x, f(norm(branch))) if self.norm_first else norm(F.add(x, f(branch)))


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    __init__ = ours_inside(nn.TransformerEncoderLayer.__init__)

    @or_natively(nn.TransformerEncoderLayer.forward)
    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        padding, mask = _as_terms(src, "src_key_padding_mask", src_key_padding_mask, "src_mask", src_mask)
        masks = mask, padding, is_causal
        x = _residual(self, src, self.norm1, lambda x: self.dropout1(_attend(self.self_attn, x, x, *masks)))
        return _residual(self, x, self.norm2, lambda x: self.dropout2(_feed_forward(self, x)))


class TransformerDecoderLayer(nn.TransformerDecoderLayer):
    __init__ = ours_inside(nn.TransformerDecoderLayer.__init__)

    @or_natively(nn.TransformerDecoderLayer.forward)
    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = _residual(self, tgt, self.norm1, lambda x: self.dropout1(_attend(self.self_attn, x, x, *own)))
        x = _residual(self, x, self.norm2, lambda x: self.dropout2(_attend(self.multihead_attn, x, memory, *other)))
        return _residual(self, x, self.norm3, lambda x: self.dropout3(_feed_forward(self, x)))


class TransformerEncoder(nn.TransformerEncoder):
    """Its layers are copies of the given one; torch's classes among them become ours."""

    __init__ = ours_inside(nn.TransformerEncoder.__init__, "layers")

    @or_natively(nn.TransformerEncoder.forward)
    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:  # fmt: skip
        padding, mask = _as_terms(src, "src_key_padding_mask", src_key_padding_mask, "mask", mask)
        tokens = 0 if src.ndim == 2 or not self.layers[0].self_attn.batch_first else 1  # the axis
        causal = nn.modules.transformer._detect_is_causal_mask(mask, is_causal, src.shape[tokens])  # type: ignore[attr-defined]
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=padding, is_causal=causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(nn.TransformerDecoder):
    """Its layers are copies of the given one; torch's classes among them become ours."""

    __init__ = ours_inside(nn.TransformerDecoder.__init__, "layers")


class Transformer(nn.Transformer):
    """A custom encoder or decoder stays as given."""

    __init__ = ours_inside(nn.Transformer.__init__, "encoder", "decoder")


def _as_terms(x: Tensor, padding_name: str, padding: Tensor | None, name: str, mask: Tensor | None) -> tuple:
    """Both masks as terms of the scores: 0 where a query may attend, -∞ elsewhere."""
    as_term, dtype_of = native._canonical_mask, native._none_or_dtype  # type: ignore[attr-defined]
    padding = as_term(padding, padding_name, dtype_of(mask), name, x.dtype)
    return padding, as_term(mask, name, None, "", x.dtype, check_other=False)


OURS.update(
    (cls.__base__, cls)
    for cls in (TransformerDecoder, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer)
)
