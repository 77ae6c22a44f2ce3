"""Multi-head attention. One path, in training and at rest: torch's other one, for inference, is not by layers."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class MultiheadAttention(nn.MultiheadAttention):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        turned = self.batch_first and query.ndim == 3
        if turned:
            once = {id(t): F.transpose(t, 0, 1) for t in (query, key, value)}
            query, key, value = (once[id(t)] for t in (query, key, value))  # what was one tensor stays one
        x_out, P = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return F.transpose(x_out, 0, 1) if turned else x_out, P
