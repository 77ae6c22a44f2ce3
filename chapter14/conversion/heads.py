"""Multi-head attention of a traced network, opened: its projections are linear steps, and the heads a node between.

[q k v] = W x + b        x_out = W_o heads(q, k, v) + b_o
"""

from __future__ import annotations

import operator

from torch import Tensor, fx, nn
from torch.nn import functional as native


def opened(graph: fx.Graph, root: nn.Module) -> None:
    """In place: each attention of x to itself, whose weights nobody looks at, becomes three nodes."""
    modules = dict(root.named_modules())
    for node in list(graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.MultiheadAttention) and _is_plain(node, module):
            _open(graph, root, node, module)


def heads(qkv: Tensor, n: int, batch_first: bool) -> Tensor:
    """qkv [B, T, 3 D], or [T, B, 3 D] → [B, T, D], or [T, B, D]: n attentions side by side."""
    *both, D = qkv.shape
    D = D // 3
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
    q, k, v = (t.reshape(*both, n, D // n).permute(order) for t in qkv.split(D, -1))
    x = native.scaled_dot_product_attention(q, k, v)
    return (x.permute(0, 2, 1, 3) if batch_first else x.permute(2, 0, 1, 3)).reshape(*both, D)


def _is_plain(node: fx.Node, module: nn.MultiheadAttention) -> bool:
    names = ["query", "key", "value"]
    given = dict(zip(names, node.args, strict=False)) | node.kwargs
    x = {given.pop(name, None) for name in names}
    rest = {name: value for name, value in given.items() if value is not None}
    alone = len(node.args) <= 3 and len(x) == 1 and rest.get("need_weights") is False and len(rest) == 1
    firsts = all(user.target is operator.getitem and (user.args[1] == 0 or not user.users) for user in node.users)
    hooked = any(vars(module)[kind] for kind in vars(module) if kind.endswith("_hooks"))
    whole = module.in_proj_weight is not None and module.bias_k is None and not module.add_zero_attn
    return alone and firsts and whole and not hooked


def _open(graph: fx.Graph, root: nn.Module, node: fx.Node, module: nn.MultiheadAttention) -> None:
    names = [f"_{str(node.target).replace('.', '_')}_{way}" for way in ("in", "out")]
    for name, W, b in zip(
        names,
        (module.in_proj_weight, module.out_proj.weight),
        (module.in_proj_bias, module.out_proj.bias),
        strict=True,
    ):
        projection = nn.Linear(W.shape[1], W.shape[0], bias=b is not None, device="meta")
        projection.weight, projection.bias = W, b
        root.add_module(name, projection)
    with graph.inserting_before(node):
        qkv = graph.call_module(names[0], (node.all_input_nodes[0],))
        x = graph.call_function(heads, (qkv, module.num_heads, module.batch_first))
        x_out = graph.call_module(names[1], (x,))
    for user in list(node.users):
        user.replace_all_uses_with(x_out)
        graph.erase_node(user)
    graph.erase_node(node)
