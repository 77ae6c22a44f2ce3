"""Multi-head attention. Training and inference take one path: PyTorch's fast path for inference is not by hand."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F
from .fallback import or_natively


class MultiheadAttention(nn.MultiheadAttention):
    @or_natively(nn.MultiheadAttention.forward)
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        transposed = self.batch_first and query.ndim == 3
        if transposed:
            q = F.transpose(query, 0, 1)  # of one tensor that is given twice, one transpose
            k = q if key is query else F.transpose(key, 0, 1)
            v = k if value is key else F.transpose(value, 0, 1)
            query, key, value = q, k, v
        x_out, P = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return F.transpose(x_out, 0, 1) if transposed else x_out, P
