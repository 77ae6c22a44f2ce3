"""PyTorch's own samples of its operations and modules, through ours: values, gradients, second derivatives, errors."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import chapter14.nn as nn
from chapter14.checking.pytorch_samples import count_module_samples, count_operation_samples, modules, operations
from chapter14.conversion.by_hand import by_hand

OPERATIONS = operations()
MODULES = {name: info for name, info in modules().items() if getattr(nn, name, info.module_cls) is not info.module_cls}

#: Differentiable operations of PyTorch's that have no twin here, by the reason.
NATIVE = {
    "of eigenvalues or factors that few models differentiate; no twin: it runs natively": """
        lu lu_solve lu_unpack svd_lowrank pca_lowrank linalg.matrix_sqrth linalg.cond linalg.eig linalg.eigvals
        linalg.householder_product linalg.polar linalg.vander linalg.lu_factor linalg.lu_factor_ex linalg.lu
        linalg.lu_solve
    """,
    "a form of ATen's that no model calls; the plain one has a twin": """
        expand_copy alias_copy as_strided_copy permute_copy split_with_sizes_copy unfold_copy squeeze_copy
        unsqueeze_copy transpose_copy slice
    """,
    "one of ATen's insides, which no model calls": """
        _softmax_backward_data _native_batch_norm_legit _batch_norm_with_update constant_pad_nd
        _upsample_bilinear2d_aa max_pool2d_with_indices_backward torch.ops.aten._safe_softmax.default
        torch.ops.aten._flash_attention_forward torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        torch.ops.aten._efficient_attention_forward _unsafe_masked_index _unsafe_masked_index_put_accumulate
        native_dropout_backward _segment_reduce.lengths _segment_reduce.offsets
    """,
    "sparse tensors": """
        sparse.sampled_addmm sparse.mm.reduce to_sparse
    """,
    "no twin yet: it runs natively": """
        quantile nanquantile normal
    """,
    "no form of it here is right at every order where there are zeros": """
        index_reduce.prod scatter_reduce.prod
    """,
    "of complex numbers; the samples are real": """
        cdouble cfloat chalf view_as_real imag
    """,
    "it has no gradient": """
        nn.functional.one_hot
    """,
}

#: Where PyTorch's own answer is none to compare with.
WRONG = {
    "cholesky_inverse": "PyTorch's gradient is not 0 in the triangle that is not read",
    "cholesky_solve": "PyTorch's gradient is not 0 in the triangle that is not read",
    "as_strided_scatter": "PyTorch's gradient differs from its own finite differences",
}
#: What PyTorch's samples are of, where that is not float64.
DTYPE = {"istft": torch.complex128}
TOLERANCE = {
    "cov": 1e-4,  # its samples have float32 weights, and so it computes in that precision
    "nn.functional.hardsigmoid": 1e-6,  # PyTorch's 1/6 is rounded to float32
}
FIRST_ORDER = {
    "masked.logaddexp": "PyTorch's second derivative is NaN where one operand is -inf; here it is 0",
    "nn.functional.linear_cross_entropy.chunked": "PyTorch's has no second derivative, and says 0",
    "nn.functional.linear_cross_entropy.chunked_none": "PyTorch's has no second derivative, and says 0",
    "LinearCrossEntropyLoss": "PyTorch's has no second derivative where it goes in chunks, and says 0",
}


REASONS = WRONG | {name: reason for reason, names in NATIVE.items() for name in names.split()}


def call(op):
    def f(*args, **kwargs):
        with by_hand(strict=True):
            return op(*args, **kwargs)

    return f


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(name):
    if name in REASONS:
        pytest.skip(REASONS[name])
    op = OPERATIONS[name]
    with sdpa_kernel(SDPBackend.MATH):  # the kernel of PyTorch's that has a second derivative
        options = {"tolerance": TOLERANCE.get(name, 1e-9), "dtype": DTYPE.get(name, torch.float64)}
        count = count_operation_samples(op, call(op.op), second=name not in FIRST_ORDER, **options)
    assert count.passed and not count.failures, str(count)


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    with sdpa_kernel(SDPBackend.MATH):
        count = count_module_samples(MODULES[name], getattr(nn, name), second=name not in FIRST_ORDER)
    assert count.passed and not count.failures, str(count)
