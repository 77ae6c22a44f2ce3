"""Transformers: attention and a small network in turn, each around a residual branch (section 14.7).

    x = norm(x + f(x)),  or x + f(norm(x)) with `norm_first`

torch's constructors make torch's modules inside; here they become ours, with the same parameters. An activation that is
torch's `relu` has torch's h'(0), which is 0. There is one path, in training and at rest, and none by nested tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as native

from .. import functional as F
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .norm import LayerNorm


def _activation(h: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Of torch's two, ours; any other as it is."""
    if h is native.relu:
        return lambda x: F.relu(x, at_zero=0)
    return F.gelu if h is native.gelu else h


def _feed_forward(self: Any, x: Tensor) -> Tensor:
    return self.linear2(self.dropout(_activation(self.activation)(self.linear1(x))))


def _look(attention: nn.Module, x: Tensor, at: Tensor, mask: Any, padding: Any, causal: bool) -> Tensor:
    return attention(x, at, at, padding, need_weights=False, attn_mask=mask, is_causal=causal)[0]


def _around(self: Any, x: Tensor, norm: nn.Module, f: Callable[[Tensor], Tensor]) -> Tensor:
    """x branches, and one way leads through f."""
    x, way = F.branch(x)
    return F.add(x, f(norm(way))) if self.norm_first else norm(F.add(x, f(way)))


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        _made_ours(self)

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        padding, mask = _as_terms(src, "src_key_padding_mask", src_key_padding_mask, "src_mask", src_mask)
        x = _around(
            self, src, self.norm1, lambda x: self.dropout1(_look(self.self_attn, x, x, mask, padding, is_causal))
        )
        return _around(self, x, self.norm2, lambda x: self.dropout2(_feed_forward(self, x)))


class TransformerDecoderLayer(nn.TransformerDecoderLayer):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        _made_ours(self)

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = _around(self, tgt, self.norm1, lambda x: self.dropout1(_look(self.self_attn, x, x, *own)))
        x = _around(self, x, self.norm2, lambda x: self.dropout2(_look(self.multihead_attn, x, memory, *other)))
        return _around(self, x, self.norm3, lambda x: self.dropout3(_feed_forward(self, x)))


class TransformerEncoder(nn.TransformerEncoder):
    """Its layers are copies of the one that is given, and those that are torch's become ours."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        _made_ours(self.layers)

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
    """Its layers are copies of the one that is given, and those that are torch's become ours."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        _made_ours(self.layers)


class Transformer(nn.Transformer):
    """A custom encoder or decoder stays as it is given."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for made in (self.encoder, self.decoder):
            if type(made) in OURS:
                _made_ours(made)


def _as_terms(x: Tensor, padding_name: str, padding: Tensor | None, name: str, mask: Tensor | None) -> tuple:
    """Both masks as terms of the scores: 0 where a query may look, -∞ where not."""
    as_term, dtype_of = native._canonical_mask, native._none_or_dtype  # type: ignore[attr-defined]
    padding = as_term(padding, padding_name, dtype_of(mask), name, x.dtype)
    return padding, as_term(mask, name, None, "", x.dtype, check_other=False)


OURS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: Dropout,
    nn.LayerNorm: LayerNorm,
    nn.Linear: Linear,
    nn.MultiheadAttention: MultiheadAttention,
    nn.TransformerDecoder: TransformerDecoder,
    nn.TransformerDecoderLayer: TransformerDecoderLayer,
    nn.TransformerEncoder: TransformerEncoder,
    nn.TransformerEncoderLayer: TransformerEncoderLayer,
}


def _made_ours(module: nn.Module) -> None:
    """Each module inside that is torch's own becomes its twin: another class, the same parameters."""
    for inner in module.modules():
        if twin := OURS.get(type(inner)):
            inner.__class__ = twin
