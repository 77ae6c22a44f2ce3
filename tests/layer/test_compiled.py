"""Layers under torch.compile: the forms with further outputs, and what is computed twice."""

import pytest
import torch
from functorch.compile import make_boxed_func, min_cut_rematerialization_partition
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.decomposition import select_decomp_table
from torch.nn import functional as native

import chapter14.functional as F
from chapter14.layers.convolution.convolution import FusedConv, FusedConvTranspose, Slide
from chapter14.layers.norm.batch_norm import FusedBatchNorm
from chapter14.layers.norm.layer_norm import FusedGroupNorm, FusedLayerNorm, FusedRMSNorm
from chapter14.layers.norm.softmax import FusedLogSoftmax

pytestmark = pytest.mark.slow

SLIDE = Slide((2, 1), (1, 0), (1, 1), 1)

#: A fused layer -> the shapes of its tensors, and its other inputs.
FUSED = {
    FusedBatchNorm: ([(3, 2, 4), (2,), (2,)], (None, None, 0.1, 1e-5)),
    FusedLayerNorm: ([(3, 2, 4), (2, 4), (2, 4)], (2, 1e-5)),
    FusedRMSNorm: ([(3, 4), (4,)], (None, 1, 1e-5)),
    FusedGroupNorm: ([(3, 4, 2), (4,), (4,)], (2, 1e-5)),
    FusedLogSoftmax: ([(3, 4)], (1,)),
    FusedConv: ([(2, 3, 5, 4), (2, 3, 3, 2), (2,)], (SLIDE,)),
    FusedConvTranspose: ([(2, 3, 3, 3), (3, 2, 3, 2), (2,)], (SLIDE, (1, 0))),
}


@pytest.mark.parametrize("layer", FUSED, ids=lambda layer: layer.__name__)
def test_fused_layers(layer):
    """The derivatives of all outputs, of first and second order, by finite differences."""
    shapes, constants = FUSED[layer]
    torch.manual_seed(0)
    tensors = tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)

    def f(*tensors):
        return layer.of(*tensors, *constants)

    assert torch.autograd.gradcheck(f, tensors) and torch.autograd.gradgradcheck(f, tensors)


def conv_norm_relu(f):
    return lambda x: f.relu(f.batch_norm(f.conv2d(x, torch.ones(6, 4, 3, 3)), None, None, None, None, True))


FUNCTIONS = {
    "batch_norm": lambda f: lambda x: f.batch_norm(x, None, None, x[0, :, 0, 0], None, True),
    "layer_norm": lambda f: lambda x: f.layer_norm(x, (5,), x[0, 0, 0], x[0, 0, 1]),
    "rms_norm": lambda f: lambda x: f.rms_norm(x, (5,), x[0, 0, 0]),
    "group_norm": lambda f: lambda x: f.group_norm(x, 2, x[0, :, 0, 0]),
    "cross_entropy": lambda f: lambda x: f.cross_entropy(x, torch.ones(3, 5, 5, dtype=torch.int64)),
    "conv, batch norm, relu": conv_norm_relu,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_computed_twice(name):
    """The compiled backward pass has no more reductions, scatters and products than PyTorch's."""
    ours, theirs = (passes_over_memory(FUNCTIONS[name](f)) for f in (F, native))
    assert 0 < ours <= theirs


def passes_over_memory(f):
    counted = 0

    def count(graph, inputs):
        nonlocal counted
        counted = sum(any(word in str(node.target) for word in PASSES) for node in graph.graph.nodes)
        return make_boxed_func(graph.forward)

    torch._dynamo.reset()
    backend = aot_autograd(
        fw_compiler=lambda graph, _: make_boxed_func(graph.forward),
        bw_compiler=count,
        partition_fn=min_cut_rematerialization_partition,
        decompositions=select_decomp_table(),
    )
    x = torch.randn(3, 4, 5, 5).requires_grad_()
    torch.compile(f, backend=backend, fullgraph=True)(x).sum().backward()
    return counted


PASSES = "aten.sum", "aten.mean", "var_mean", "amax", "scatter", "index_put", "convolution"
