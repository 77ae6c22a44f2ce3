"""PyTorch's own samples of its operations and modules, through ours: values, gradients, second derivatives, errors."""

import functools

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import chapter14.nn as nn
from chapter14.checking.pytorch_samples import count_module_samples, count_operation_samples, modules, operations
from chapter14.conversion.by_hand import by_hand

pytestmark = pytest.mark.slow

#: Differentiable operations that PyTorch has samples of, and that have a counterpart here. A list, since PyTorch takes
#: seconds to build its own: only the processes that run these tests do.
SAMPLED = """
    H T abs acos acosh add addbmm addcdiv addcmul addmm addmm.decomposed addmv addr amax amin aminmax angle as_strided
    as_strided.partial_views asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d baddbmm bernoulli bfloat16
    block_diag bmm broadcast_tensors broadcast_to cartesian_prod cat cdist ceil chunk clamp clamp_max clamp_min clone
    column_stack combinations complex conj conj_physical contiguous copysign corrcoef cos cosh cov cross cummax cummin
    cumprod cumsum cumulative_trapezoid deg2rad diag diag_embed diagflat diagonal diagonal_copy diagonal_scatter diff
    digamma dist div.floor_rounding div.no_rounding_mode div.trunc_rounding dot double dsplit dstack einsum erf erfc
    erfinv exp exp2 expand expand_as expm1 fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.hfft2 fft.hfftn fft.ifft
    fft.ifft2 fft.ifftn fft.ifftshift fft.ihfft fft.ihfft2 fft.ihfftn fft.irfft fft.irfft2 fft.irfftn fft.rfft fft.rfft2
    fft.rfftn fill flatten flip fliplr flipud float float_power floor fmax fmin fmod frac frexp gather gradient
    grid_sampler_2d grid_sampler_3d half hsplit hstack hypot i0 index_add index_copy index_fill index_put
    index_reduce.amax index_reduce.amin index_reduce.mean index_select inner istft kron kthvalue ldexp lerp lgamma
    linalg.cholesky linalg.cholesky_ex linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv
    linalg.inv_ex linalg.lstsq linalg.lstsq.grad_oriented linalg.matrix_norm linalg.matrix_power linalg.multi_dot
    linalg.norm linalg.norm.subgradients_at_zero linalg.pinv linalg.pinv.hermitian linalg.pinv.singular linalg.qr
    linalg.slogdet linalg.solve linalg.solve_ex linalg.solve_triangular linalg.svd linalg.svdvals linalg.tensorinv
    linalg.tensorsolve linalg.vecdot linalg.vector_norm log log10 log1p log2 log_softmax log_softmax.with_dtype
    logaddexp logaddexp2 logcumsumexp logdet logit logsumexp mH mT masked.amax masked.amin masked.cumprod masked.cumsum
    masked.log_softmax masked.logaddexp masked.logsumexp masked.mean masked.median masked.norm masked.normalize
    masked.prod masked.softmax masked.softmin masked.std masked.sum masked.var masked_fill masked_scatter masked_select
    matmul matrix_exp max.binary max.reduction_no_dim max.reduction_with_dim maximum mean median
    meshgrid.list_of_tensors meshgrid.variadic_tensors min.binary min.reduction_no_dim min.reduction_with_dim minimum mm
    mode movedim msort mul mv mvlgamma.mvlgamma_p_1 mvlgamma.mvlgamma_p_3 mvlgamma.mvlgamma_p_5 nan_to_num nanmean
    nanmedian nansum narrow narrow_copy native_batch_norm native_group_norm native_layer_norm neg nextafter
    nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d nn.functional.adaptive_avg_pool3d
    nn.functional.adaptive_max_pool1d nn.functional.adaptive_max_pool2d nn.functional.adaptive_max_pool3d
    nn.functional.alpha_dropout nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.avg_pool3d
    nn.functional.batch_norm nn.functional.batch_norm.without_cudnn nn.functional.bilinear
    nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits nn.functional.celu
    nn.functional.channel_shuffle nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d
    nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.conv_transpose3d
    nn.functional.cosine_embedding_loss nn.functional.cosine_similarity nn.functional.cross_entropy
    nn.functional.ctc_loss nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d nn.functional.elu
    nn.functional.embedding nn.functional.embedding_bag nn.functional.feature_alpha_dropout.with_train
    nn.functional.feature_alpha_dropout.without_train nn.functional.fractional_max_pool2d
    nn.functional.fractional_max_pool3d nn.functional.gaussian_nll_loss nn.functional.gelu nn.functional.glu
    nn.functional.grid_sample nn.functional.group_norm nn.functional.hardshrink nn.functional.hardsigmoid
    nn.functional.hardswish nn.functional.hardtanh nn.functional.hinge_embedding_loss nn.functional.huber_loss
    nn.functional.instance_norm nn.functional.interpolate.area nn.functional.interpolate.bicubic
    nn.functional.interpolate.bilinear nn.functional.interpolate.linear nn.functional.interpolate.nearest
    nn.functional.interpolate.nearest-exact nn.functional.interpolate.trilinear nn.functional.kl_div
    nn.functional.l1_loss nn.functional.layer_norm nn.functional.leaky_relu nn.functional.linear
    nn.functional.linear_cross_entropy nn.functional.linear_cross_entropy.chunked
    nn.functional.linear_cross_entropy.chunked_none nn.functional.local_response_norm nn.functional.logsigmoid
    nn.functional.margin_ranking_loss nn.functional.max_pool1d nn.functional.max_pool2d nn.functional.max_pool3d
    nn.functional.max_unpool1d nn.functional.max_unpool1d.grad nn.functional.max_unpool2d
    nn.functional.max_unpool2d.grad nn.functional.max_unpool3d nn.functional.max_unpool3d.grad nn.functional.mish
    nn.functional.mse_loss nn.functional.multi_head_attention_forward nn.functional.multi_margin_loss
    nn.functional.multilabel_margin_loss nn.functional.multilabel_soft_margin_loss nn.functional.nll_loss
    nn.functional.normalize nn.functional.pad.circular nn.functional.pad.constant nn.functional.pad.reflect
    nn.functional.pad.replicate nn.functional.pad.replicate_negative nn.functional.pairwise_distance nn.functional.pdist
    nn.functional.pixel_shuffle nn.functional.pixel_unshuffle nn.functional.poisson_nll_loss nn.functional.prelu
    nn.functional.relu nn.functional.relu6 nn.functional.rms_norm nn.functional.rrelu
    nn.functional.scaled_dot_product_attention nn.functional.selu nn.functional.silu nn.functional.smooth_l1_loss
    nn.functional.soft_margin_loss nn.functional.softmin nn.functional.softmin.with_dtype nn.functional.softplus
    nn.functional.softshrink nn.functional.softsign nn.functional.tanhshrink nn.functional.threshold
    nn.functional.triplet_margin_loss nn.functional.triplet_margin_with_distance_loss nn.functional.unfold
    nn.functional.upsample_bilinear nn.functional.upsample_nearest norm norm.fro norm.inf norm.nuc normal.number_mean
    ormqr outer permute pinverse polar polygamma.polygamma_n_0 polygamma.polygamma_n_1 polygamma.polygamma_n_2
    polygamma.polygamma_n_3 polygamma.polygamma_n_4 positive pow prod put rad2deg ravel real reciprocal remainder renorm
    repeat repeat_interleave reshape reshape_as resolve_conj resolve_neg roll rot90 round round.decimals_0
    round.decimals_3 round.decimals_neg_3 rsqrt rsub scatter scatter_add scatter_reduce.amax scatter_reduce.amin
    scatter_reduce.mean scatter_reduce.sum select select_scatter sgn sigmoid sign sin sinc sinh slice_scatter softmax
    softmax.with_dtype sort special.entr special.erfcx special.i0e special.i1 special.i1e special.log_ndtr special.ndtr
    special.ndtri special.polygamma.special_polygamma_n_0 special.xlog1py split split.list_args split_with_sizes sqrt
    square squeeze squeeze.multiple stack std std.unbiased std_mean std_mean.unbiased stft sub sum sum_to_size svd t
    t_copy take take_along_dim tan tanh tensor_split tensordot tile to topk trace transpose trapezoid trapz
    triangular_solve tril triu true_divide trunc unbind unbind_copy unflatten unfold unsafe_chunk unsafe_split unsqueeze
    var var.unbiased var_mean var_mean.unbiased vdot view view_as view_as_complex view_copy vsplit vstack where xlogy
    zero_ __getitem__ __radd__ __rdiv__ __rmatmul__ __rmod__ __rmul__ __rpow__ __rsub__
""".split()

#: Modules that PyTorch has no samples of.
UNSAMPLED = set(
    """
    AdaptiveLogSoftmaxWithLoss AlphaDropout ChannelShuffle CosineSimilarity Dropout Dropout1d Dropout2d Dropout3d
    EmbeddingBag FeatureAlphaDropout Flatten Fold Hardsigmoid LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d
    LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d LazyLinear MaxUnpool1d MaxUnpool2d MaxUnpool3d NLLLoss2d
    PairwiseDistance PixelShuffle PixelUnshuffle RReLU TransformerDecoder TripletMarginLoss
    TripletMarginWithDistanceLoss Unflatten Unfold Upsample UpsamplingBilinear2d UpsamplingNearest2d
""".split()
)
TWINS = [name for name, cls in vars(nn).items() if isinstance(cls, type) and getattr(torch.nn, name, cls) is not cls]

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


@functools.cache
def sampled_operations():
    return operations()


@functools.cache
def sampled_modules():
    return modules()


@pytest.mark.parametrize("name", [*SAMPLED, *REASONS])
def test_operation(name):
    if name in REASONS:
        pytest.skip(REASONS[name])
    op = sampled_operations().get(name)
    if op is None:
        pytest.skip("this version of PyTorch has no samples of it")
    with sdpa_kernel(SDPBackend.MATH):  # the kernel of PyTorch's that has a second derivative
        options = {"tolerance": TOLERANCE.get(name, 1e-9), "dtype": DTYPE.get(name, torch.float64)}
        count = count_operation_samples(op, call(op.op), second=name not in FIRST_ORDER, **options)
    assert count.passed and not count.failures, str(count)


@pytest.mark.parametrize("name", [name for name in TWINS if name not in UNSAMPLED])
def test_module(name):
    info = sampled_modules().get(name)
    if info is None:
        pytest.skip("this version of PyTorch has no samples of it")
    with sdpa_kernel(SDPBackend.MATH):
        count = count_module_samples(info, getattr(nn, name), second=name not in FIRST_ORDER)
    assert count.passed and not count.failures, str(count)


def test_unlisted_samples():
    """Another version of PyTorch has samples of others."""
    for name in sampled_operations().keys() - {*SAMPLED, *REASONS}:
        test_operation(name)
    for name in sampled_modules().keys() & UNSAMPLED:
        test_module(name)
