"""Linear maps and their transposes."""

import pytest
import torch

from chapter14.layers.core.arrange import Take
from chapter14.layers.core.gather import Pick
from chapter14.layers.core.index import Indexed
from chapter14.layers.core.repeat import WindowsAlong
from chapter14.layers.core.shuffle import PixelShuffle
from chapter14.layers.core.view import Part
from chapter14.layers.pool.avg_pool import AvgPool, Windows
from chapter14.layers.resample.grid_sample import AffineGrid
from chapter14.layers.resample.interpolate import Interpolate, Method
from chapter14.layers.resample.warp import Warp

pytestmark = pytest.mark.slow

MAPS = [
    (AffineGrid, (1, 2, 3), ((1, 1, 4, 4), False)),
    (AvgPool, (1, 2, 6, 6), (Windows((3, 3), (2, 2), (1, 1), False),)),
    (Indexed, (3, 4), (torch.tensor([2, 0, 2]),)),
    (Interpolate, (1, 2, 4, 4), ((8, 8), Method("bilinear", False, False, (2.0, 2.0)))),
    (Part, (4, 4), ("diagonal", (0, 0, 1))),
    (Pick, (3, 4), (torch.tensor([[0, 2, 1, 0]]), 0)),
    (PixelShuffle, (1, 8, 3, 3), (2,)),
    (Take, (3, 4), (torch.tensor([2, 0]), 0)),
    (Warp, (1, 2, 5, 5), (torch.rand(1, 3, 3, 2, generator=torch.Generator().manual_seed(14)) * 5,)),
    (WindowsAlong, (7,), (0, 3, 2)),
]


@pytest.mark.parametrize(("A", "shape", "constants"), MAPS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_map_and_its_transpose_compile_together(A, shape, constants):
    torch.compiler.reset()  # Dynamo limits how often one function is compiled

    def f(x):
        return A.of(A.transpose(A.of(x, *constants), x.shape, *constants), *constants)

    x, x_compiled = (torch.randn(shape, generator=torch.Generator().manual_seed(14)).requires_grad_() for _ in "ab")
    x_out, x_out_compiled = f(x), torch.compile(f, fullgraph=True, backend="aot_eager")(x_compiled)
    torch.testing.assert_close(x_out_compiled, x_out)
    g = torch.randn(x_out.shape)
    x_out.backward(g)
    x_out_compiled.backward(g)
    torch.testing.assert_close(x_compiled.grad, x.grad)
