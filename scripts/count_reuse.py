"""Section 14.2 in numbers: the multiplications for all dJ/dθ_l of a chain, with and without reuse.

python scripts/count_reuse.py [--size 4]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from chapter14.graph.product_count import with_reuse, without_reuse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=4, help="|x_l| and |θ_l|, the same in all layers (default 4)")
    n = parser.parse_args().size
    print(f"multiplications for the gradients of L layers, with |x_l| = |θ_l| = {n}\n")
    print(f"{'L':>3} {'without reuse':>14} {'with reuse':>11} {'ratio':>6}")
    for L in range(2, 21):
        g_L, *matrices = torch.randn(n, dtype=torch.double), *torch.randn(2 * L, n, n, dtype=torch.double)
        L_x, L_theta = matrices[:L], matrices[L:]
        (slow, without), (fast, reused) = (count(g_L, L_x, L_theta) for count in (without_reuse, with_reuse))
        torch.testing.assert_close(fast, slow)
        print(f"{L:3d} {without:14d} {reused:11d} {without / reused:6.2f}")


if __name__ == "__main__":
    main()
