"""The layers as functions: names and signatures of `torch.nn.functional`, and the chapter's own."""

from torch import fx as _fx

# isort: off
# fmt: off
from .layers.convolution.conv_functions import (
    conv1d as conv1d, conv2d as conv2d, conv3d as conv3d, conv_tbc as conv_tbc, conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d, conv_transpose3d as conv_transpose3d,
)
from .layers.convolution.unfold import fold as fold, unfold as unfold
from .layers.core.arithmetic import add as add, mul as mul, sub as sub
from .layers.core.arrange import (
    flatten as flatten, flip as flip, narrow as narrow, pad as pad, permute as permute, reshape as reshape,
    roll as roll, transpose as transpose, unflatten as unflatten,
)
from .layers.core.branch import (
    add_n as add_n, branch as branch, broadcast_to as broadcast_to, sum_to_size as sum_to_size,
)
from .layers.core.cast import clone as clone
from .layers.core.complex import conj as conj
from .layers.core.gather import (
    gather as gather, index_add as index_add, index_select as index_select, scatter_add as scatter_add,
)
from .layers.core.index import index_put as index_put, masked_fill as masked_fill, scatter as scatter
from .layers.core.merge import merge as merge, split as split, stack as stack, unbind as unbind
from .layers.core.repeat import tril as tril, triu as triu
from .layers.core.shuffle import (
    channel_shuffle as channel_shuffle, pixel_shuffle as pixel_shuffle, pixel_unshuffle as pixel_unshuffle,
)
from .layers.core.view import (
    as_strided as as_strided, diagonal as diagonal, select as select, squeeze as squeeze, unsqueeze as unsqueeze,
)
from .layers.linalg.determinant import det as det, logdet as logdet, slogdet as slogdet
from .layers.linalg.eigen import eigh as eigh, eigvalsh as eigvalsh, svd as svd, svdvals as svdvals
from .layers.linalg.inverse import inverse as inverse, pinv as pinv, solve as solve
from .layers.linalg.matrix_exp import matrix_exp as matrix_exp, matrix_power as matrix_power
from .layers.linalg.qr import qr as qr
from .layers.linalg.triangular import (
    cholesky as cholesky, cholesky_ex as cholesky_ex, cholesky_inverse as cholesky_inverse,
    cholesky_solve as cholesky_solve, solve_triangular as solve_triangular,
)
from .layers.linear.bilinear import bilinear as bilinear
from .layers.linear.einsum import einsum as einsum
from .layers.linear.grouped import grouped_mm as grouped_mm
from .layers.linear.linear import linear as linear, outer as outer
from .layers.linear.matmul import addmm as addmm, matmul as matmul
from .layers.loss.binary_cross_entropy import (
    binary_cross_entropy as binary_cross_entropy, binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    multilabel_soft_margin_loss as multilabel_soft_margin_loss, soft_margin_loss as soft_margin_loss,
)
from .layers.loss.cross_entropy import cross_entropy as cross_entropy, nll_loss as nll_loss
from .layers.loss.ctc import ctc_loss as ctc_loss
from .layers.loss.distance import (
    cdist as cdist, cosine_similarity as cosine_similarity, pairwise_distance as pairwise_distance, pdist as pdist,
)
from .layers.loss.likelihood import (
    gaussian_nll_loss as gaussian_nll_loss, kl_div as kl_div, poisson_nll_loss as poisson_nll_loss,
)
from .layers.loss.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from .layers.loss.loss import l2_loss as l2_loss
from .layers.loss.margin import (
    cosine_embedding_loss as cosine_embedding_loss, hinge_embedding_loss as hinge_embedding_loss,
    margin_ranking_loss as margin_ranking_loss, multi_margin_loss as multi_margin_loss,
    multilabel_margin_loss as multilabel_margin_loss, triplet_margin_loss as triplet_margin_loss,
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from .layers.loss.regression import (
    huber_loss as huber_loss, l1_loss as l1_loss, mse_loss as mse_loss, smooth_l1_loss as smooth_l1_loss,
)
from .layers.norm.batch_norm import batch_norm as batch_norm, instance_norm as instance_norm
from .layers.norm.layer_norm import group_norm as group_norm, layer_norm as layer_norm, rms_norm as rms_norm
from .layers.norm.normalize import local_response_norm as local_response_norm, normalize as normalize
from .layers.norm.softmax import (
    gumbel_softmax as gumbel_softmax, log_softmax as log_softmax, logsumexp as logsumexp, softmax as softmax,
    softmin as softmin,
)
from .layers.pointwise.activation import gelu as gelu, glu as glu, hardswish as hardswish, mish as mish, silu as silu
from .layers.pointwise.binary import (
    atan2 as atan2, divide as divide, hypot as hypot, logaddexp as logaddexp, pow as pow, xlog1py as xlog1py,
    xlogy as xlogy,
)
from .layers.pointwise.compare import (
    clamp as clamp, fmax as fmax, fmin as fmin, maximum as maximum, minimum as minimum, where as where,
)
from .layers.pointwise.dropout import (
    alpha_dropout as alpha_dropout, dropout as dropout, dropout1d as dropout1d, dropout2d as dropout2d,
    dropout3d as dropout3d, feature_alpha_dropout as feature_alpha_dropout, feature_dropout as feature_dropout,
)
from .layers.pointwise.leaky import leaky_relu as leaky_relu, prelu as prelu, rrelu as rrelu
from .layers.pointwise.piecewise import (
    hardshrink as hardshrink, hardsigmoid as hardsigmoid, hardtanh as hardtanh, nan_to_num as nan_to_num, relu as relu,
    relu6 as relu6, softshrink as softshrink, threshold as threshold,
)
from .layers.pointwise.pointwise import (
    absolute as absolute, erf as erf, exp as exp, log as log, pointwise as pointwise, sigmoid as sigmoid, tanh as tanh,
)
from .layers.pointwise.remainder import remainder as remainder
from .layers.pointwise.saturating import (
    celu as celu, elu as elu, logsigmoid as logsigmoid, selu as selu, softplus as softplus, softsign as softsign,
    tanhshrink as tanhshrink,
)
from .layers.pointwise.special import (
    digamma as digamma, entr as entr, erfc as erfc, erfcx as erfcx, erfinv as erfinv, i0 as i0, i0e as i0e, i1 as i1,
    i1e as i1e, lgamma as lgamma, log_ndtr as log_ndtr, logit as logit, ndtr as ndtr, ndtri as ndtri,
    polygamma as polygamma, sinc as sinc,
)
from .layers.pointwise.step_functions import copysign as copysign, frac as frac
from .layers.pointwise.transcendental import (
    acos as acos, acosh as acosh, asin as asin, asinh as asinh, atan as atan, atanh as atanh, cos as cos, cosh as cosh,
    exp2 as exp2, expm1 as expm1, log1p as log1p, log2 as log2, log10 as log10, reciprocal as reciprocal,
    rsqrt as rsqrt, sin as sin, sinh as sinh, sqrt as sqrt, square as square, tan as tan,
)
from .layers.pool.avg_pool import (
    adaptive_avg_pool1d as adaptive_avg_pool1d, adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d, avg_pool1d as avg_pool1d, avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
)
from .layers.pool.lp_pool import lp_pool1d as lp_pool1d, lp_pool2d as lp_pool2d, lp_pool3d as lp_pool3d
from .layers.pool.max_pool import (
    adaptive_max_pool1d as adaptive_max_pool1d, adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d, fractional_max_pool2d as fractional_max_pool2d,
    fractional_max_pool3d as fractional_max_pool3d, max_pool1d as max_pool1d, max_pool2d as max_pool2d,
    max_pool3d as max_pool3d, max_unpool1d as max_unpool1d, max_unpool2d as max_unpool2d, max_unpool3d as max_unpool3d,
)
from .layers.reduce.reduce import (
    amax as amax, amin as amin, mean as mean, prod as prod, std as std, sum as sum, var as var,
    vector_norm as vector_norm,
)
from .layers.reduce.scan import cumprod as cumprod, cumsum as cumsum, logcumsumexp as logcumsumexp
from .layers.resample.grid_sample import affine_grid as affine_grid, grid_sample as grid_sample
from .layers.resample.interpolate import (
    interpolate as interpolate, upsample as upsample, upsample_bilinear as upsample_bilinear,
    upsample_nearest as upsample_nearest,
)
from .layers.sequence.attention import scaled_dot_product_attention as scaled_dot_product_attention
from .layers.sequence.embedding import embedding as embedding, embedding_bag as embedding_bag
from .layers.sequence.multihead import multi_head_attention_forward as multi_head_attention_forward
from .layers.sequence.recurrent import (
    gru as gru, gru_cell as gru_cell, lstm as lstm, lstm_cell as lstm_cell, rnn_relu as rnn_relu,
    rnn_relu_cell as rnn_relu_cell, rnn_tanh as rnn_tanh, rnn_tanh_cell as rnn_tanh_cell,
)
from .layers.spectral.stft import istft as istft, stft as stft
# fmt: on

for _name in [name for name in globals() if not name.startswith("_")]:  # torch.fx records calls of these as they are
    _fx.wrap(_name)
