"""Where the package states each equation of the chapter, and the text and the line of those that the lesson mentions.

docs/equations.md is written from this table by scripts/equations.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent

#: By equation: the file in the package, and the function, class or attribute in it.
CODE = {
    "14.1": ("layer/base.py", "Layer.forward"),
    "14.2": ("graph/product_count.py", "without_reuse"),
    "14.3": ("graph/product_count.py", "with_reuse"),
    "14.4": ("graph/chain.py", "Chain.backward"),
    "14.5": ("layer/jacobians.py", "jacobian"),
    "14.6": ("layer/jacobians.py", "jacobian"),
    "14.7": ("layer/jacobians.py", "jacobian"),
    "14.8": ("layer/base.py", "Layer.backward"),
    "14.9": ("graph/block.py", "Block.update"),
    "14.10": ("layer/base.py", "Layer.backward"),
    "Algorithm 14.1": ("graph/chain.py", "Chain"),
    "14.11": ("graph/batch.py", "mean_gradients"),
    "14.12": ("layers/linear/linear.py", "Linear.forward"),
    "14.13": ("layers/linear/linear.py", "Linear.L"),
    "14.14": ("layers/linear/linear.py", "Linear.L"),
    "14.15": ("layers/linear/linear.py", "Linear.L"),
    "14.16": ("layers/linear/linear.py", "Linear.L"),
    "14.17": ("layers/linear/linear.py", "Linear.L"),
    "14.18": ("layers/linear/linear.py", "Linear.backward"),
    "14.19": ("layer/jacobians.py", "slow_backward"),
    "14.20": ("layers/linear/linear.py", "Linear.backward"),
    "14.21": ("layers/linear/linear.py", "Linear.backward"),
    "14.22": ("layers/linear/linear.py", "Linear.L"),
    "14.23": ("layers/linear/linear.py", "Linear.L"),
    "14.24": ("layers/linear/linear.py", "Linear.L"),
    "14.25": ("layers/linear/linear.py", "Outer.forward"),
    "14.26": ("layers/linear/linear.py", "Outer.forward"),
    "14.27": ("layers/linear/linear.py", "Outer.forward"),
    "14.28": ("layers/linear/linear.py", "Outer.forward"),
    "14.29": ("layers/linear/linear.py", "Outer.forward"),
    "14.30": ("layers/pointwise/pointwise.py", "PointwiseLayer.L"),
    "14.31": ("layers/pointwise/pointwise.py", "PointwiseLayer.backward"),
    "14.32": ("layers/pointwise/piecewise.py", "relu"),
    "14.33": ("layers/pointwise/pointwise.py", "PointwiseLayer.backward"),
    "14.34": ("layers/loss/loss.py", "L2Loss.L"),
    "14.35": ("layers/loss/loss.py", "L2Loss.partials"),
    "14.36": ("layers/linear/linear.py", "Linear.backward"),
    "14.37": ("layers/core/merge.py", "Merge.forward"),
    "14.38": ("layers/core/branch.py", "Branch.forward"),
    "14.39": ("layers/core/merge.py", "Merge.backward"),
    "14.40": ("layers/core/merge.py", "Merge.L"),
    "14.41": ("layers/core/merge.py", "Merge.L"),
    "14.42": ("layers/core/branch.py", "Branch.transpose"),
    "14.43": ("layers/core/branch.py", "Branch.L"),
    "14.44": ("layers/core/branch.py", "Branch.L"),
    "14.45": ("layers/core/branch.py", "Branch.L"),
    "14.46": ("layers/core/branch.py", "AddN"),
    "14.47": ("graph/sharing.py", "copy_by_copy"),
}

#: The equation, with formulas between backquotes as the page reads them.
TEXT = {
    "14.1": "`x_{out} = f(x_{in}, θ)`",
    "14.4": "`g_l = ∂J/∂x_l`, a row `[1 × |x_l|]`",
    "14.8": "`∂J/∂θ = g_{out} L^θ`",
    "14.9": "`θ ← θ − η (∂J/∂θ)^T`",
    "14.10": "`g_{in} = g_{out} L^x`",
    "14.11": "`∂(1/N Σ_i J_i)/∂θ = 1/N Σ_i ∂J_i/∂θ`",
    "14.12": "`x_{out} = W x_{in} + b`",
    "14.14": "`L^W[i, jk] = x_{in}[k]` if `i = j`, else 0",
    "14.16": "`L^x = W`",
    "14.17": "`L^b = I`",
    "14.18": "`g_{in} = g_{out} L^x = g_{out} W`",
    "14.19": "`∂J/∂W = g_{out} L^W`",
    "14.20": "`∂J/∂b = g_{out} L^b = g_{out}`",
    "14.29": "`∂J/∂W = x_{in} g_{out}`; on this page it has the shape of `W`",
    "14.30": "`L^x = diag h′(x_{in}) = H′`",
    "14.31": "`g_{in} = g_{out} H′`",
    "14.33": "`g_{in}[i] = g_{out}[i] h′(x_{in}[i])` for each `i`",
    "14.34": "`L^x = ∂‖ŷ − y‖²/∂ŷ = 2 (ŷ − y)`, a row",
    "14.35": "`g_{in} = g_{out} · 2 (ŷ − y) = 2 (ŷ − y)`, since `g_{out} = 1`",
    "14.37": "`merge(x_{in}^a, x_{in}^b) = [x_{in}^a, x_{in}^b] = x_{out}`",
    "14.38": "`branch(x_{in}) = [x_{in}, x_{in}] = [x_{out}^a, x_{out}^b]`",
    "14.39": "`g_{in}^a = g_{out} L^a = ∂J/∂x_{out} ∂x_{out}/∂x_{in}^a`",
    "14.41": "`g_{in}^a = g_{out} [1, 0]^T`",
    "14.45": "`g_{in} = [g_{out}^a, g_{out}^b] [1, 1]^T`",
    "14.46": "`g_{in} = g_{out}^b + g_{out}^a`",
    "14.47": "`∂J/∂θ = Σ_i ∂J/∂θ^i`",
}

#: Of the equations in TEXT: a part of the line, in the code above, that computes it; none: the code's first line.
PART = {
    "14.4": "g[l - 1], *dJdtheta =",
    "14.9": "theta.detach().sub_(",
    "14.11": "J = loss(",
    "14.14": "L_W =",
    "14.16": "L_x =",
    "14.17": "return L_x, L_W, I",
    "14.18": "linear(g, ",
    "14.19": "(g_out @ L)",
    "14.20": "sum_to_size(g, ",
    "14.29": "return g",
    "14.30": "torch.diag(",
    "14.31": "g_in = slope_times(",
    "14.33": "g_in = slope_times(",
    "14.34": "row = (",
    "14.35": "difference =",
    "14.37": "torch.cat(",
    "14.38": "return tuple(",
    "14.39": "parts = split(",
    "14.41": "torch.eye(n)",
    "14.45": "torch.eye(",
    "14.46": "functools.reduce(",
    "14.47": "return torch.autograd.grad(",
}


def line(equation: str) -> tuple[int, str]:
    """The number and the text of the line that computes an equation: `PART` in its code, as the file is now."""
    file, name = CODE[equation]
    source = (PACKAGE / file).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(source)
    for part in name.split("."):
        node = next(inside for inside in getattr(node, "body", []) if part in _names(inside))
    lines, first, last = source.splitlines(), node.lineno, node.end_lineno  # type: ignore[attr-defined]
    found = [k for k in range(first, last + 1) if PART.get(equation, "") in lines[k - 1]]
    return found[0], lines[found[0] - 1].strip()


def _names(statement: ast.AST) -> list[str]:
    """What a statement defines: a function, a class, or attributes."""
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return [getattr(statement, "name", ""), *(target.id for target in targets if isinstance(target, ast.Name))]
