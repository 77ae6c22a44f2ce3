"""The layers as functions: names and signatures of `torch.nn.functional`, and the chapter's own."""

from torch import fx as _fx

from .layers.convolution.convolve import conv1d as conv1d
from .layers.convolution.convolve import conv2d as conv2d
from .layers.convolution.convolve import conv3d as conv3d
from .layers.convolution.convolve import conv_tbc as conv_tbc
from .layers.convolution.convolve import conv_transpose1d as conv_transpose1d
from .layers.convolution.convolve import conv_transpose2d as conv_transpose2d
from .layers.convolution.convolve import conv_transpose3d as conv_transpose3d
from .layers.convolution.unfold import fold as fold
from .layers.convolution.unfold import unfold as unfold
from .layers.core.arithmetic import gate as gate
from .layers.core.arithmetic import keep as keep
from .layers.core.arithmetic import mean_along as mean_along
from .layers.core.arithmetic import minus as minus
from .layers.core.arithmetic import plus as plus
from .layers.core.arithmetic import power as power
from .layers.core.arithmetic import scale as scale
from .layers.core.arithmetic import shift as shift
from .layers.core.arithmetic import sum_along as sum_along
from .layers.core.arithmetic import times as times
from .layers.core.arrange import flatten as flatten
from .layers.core.arrange import flip as flip
from .layers.core.arrange import narrow as narrow
from .layers.core.arrange import pad as pad
from .layers.core.arrange import permute as permute
from .layers.core.arrange import reshape as reshape
from .layers.core.arrange import roll as roll
from .layers.core.arrange import transpose as transpose
from .layers.core.arrange import unflatten as unflatten
from .layers.core.branch import add_up as add_up
from .layers.core.branch import branch as branch
from .layers.core.branch import spread as spread
from .layers.core.branch import total as total
from .layers.core.cast import copied as copied
from .layers.core.cast import moved as moved
from .layers.core.complex import conjugate as conjugate
from .layers.core.gather import gather as gather
from .layers.core.gather import index_add as index_add
from .layers.core.gather import index_select as index_select
from .layers.core.gather import scatter_add as scatter_add
from .layers.core.index import index_put as index_put
from .layers.core.index import masked_fill as masked_fill
from .layers.core.index import scatter as scatter
from .layers.core.merge import merge as merge
from .layers.core.merge import split as split
from .layers.core.merge import stack as stack
from .layers.core.merge import unbind as unbind
from .layers.core.repeat import tril as tril
from .layers.core.repeat import triu as triu
from .layers.core.shuffle import channel_shuffle as channel_shuffle
from .layers.core.shuffle import pixel_shuffle as pixel_shuffle
from .layers.core.shuffle import pixel_unshuffle as pixel_unshuffle
from .layers.core.view import as_strided as as_strided
from .layers.core.view import diagonal as diagonal
from .layers.core.view import select as select
from .layers.core.view import squeeze as squeeze
from .layers.core.view import unsqueeze as unsqueeze
from .layers.linalg.determinant import det as det
from .layers.linalg.determinant import logdet as logdet
from .layers.linalg.determinant import slogdet as slogdet
from .layers.linalg.eigen import eigh as eigh
from .layers.linalg.eigen import eigvalsh as eigvalsh
from .layers.linalg.eigen import svd as svd
from .layers.linalg.eigen import svdvals as svdvals
from .layers.linalg.inverse import inverse as inverse
from .layers.linalg.inverse import pinv as pinv
from .layers.linalg.inverse import solve as solve
from .layers.linalg.matrix_exp import matrix_exp as matrix_exp
from .layers.linalg.matrix_exp import matrix_power as matrix_power
from .layers.linalg.qr import qr as qr
from .layers.linalg.triangular import cholesky as cholesky
from .layers.linalg.triangular import cholesky_ex as cholesky_ex
from .layers.linalg.triangular import cholesky_inverse as cholesky_inverse
from .layers.linalg.triangular import cholesky_solve as cholesky_solve
from .layers.linalg.triangular import solve_triangular as solve_triangular
from .layers.linear.bilinear import bilinear as bilinear
from .layers.linear.einsum import einsum as einsum
from .layers.linear.grouped import grouped_mm as grouped_mm
from .layers.linear.linear import linear as linear
from .layers.linear.linear import outer as outer
from .layers.linear.matmul import addmm as addmm
from .layers.linear.matmul import matmul as matmul
from .layers.loss.binary import binary_cross_entropy as binary_cross_entropy
from .layers.loss.binary import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .layers.loss.binary import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from .layers.loss.binary import soft_margin_loss as soft_margin_loss
from .layers.loss.cross_entropy import cross_entropy as cross_entropy
from .layers.loss.cross_entropy import nll_loss as nll_loss
from .layers.loss.ctc import ctc_loss as ctc_loss
from .layers.loss.distance import cdist as cdist
from .layers.loss.distance import cosine_similarity as cosine_similarity
from .layers.loss.distance import pairwise_distance as pairwise_distance
from .layers.loss.distance import pdist as pdist
from .layers.loss.likelihood import gaussian_nll_loss as gaussian_nll_loss
from .layers.loss.likelihood import kl_div as kl_div
from .layers.loss.likelihood import poisson_nll_loss as poisson_nll_loss
from .layers.loss.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from .layers.loss.loss import l2_loss as l2_loss
from .layers.loss.margin import cosine_embedding_loss as cosine_embedding_loss
from .layers.loss.margin import hinge_embedding_loss as hinge_embedding_loss
from .layers.loss.margin import margin_ranking_loss as margin_ranking_loss
from .layers.loss.margin import multi_margin_loss as multi_margin_loss
from .layers.loss.margin import multilabel_margin_loss as multilabel_margin_loss
from .layers.loss.margin import triplet_margin_loss as triplet_margin_loss
from .layers.loss.margin import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from .layers.loss.regression import huber_loss as huber_loss
from .layers.loss.regression import l1_loss as l1_loss
from .layers.loss.regression import mse_loss as mse_loss
from .layers.loss.regression import smooth_l1_loss as smooth_l1_loss
from .layers.norm.batch_norm import batch_norm as batch_norm
from .layers.norm.batch_norm import instance_norm as instance_norm
from .layers.norm.layer_norm import group_norm as group_norm
from .layers.norm.layer_norm import layer_norm as layer_norm
from .layers.norm.layer_norm import rms_norm as rms_norm
from .layers.norm.normalize import local_response_norm as local_response_norm
from .layers.norm.normalize import normalize as normalize
from .layers.norm.softmax import gumbel_softmax as gumbel_softmax
from .layers.norm.softmax import log_softmax as log_softmax
from .layers.norm.softmax import logsumexp as logsumexp
from .layers.norm.softmax import softmax as softmax
from .layers.norm.softmax import softmin as softmin
from .layers.pointwise.activation import gelu as gelu
from .layers.pointwise.activation import glu as glu
from .layers.pointwise.activation import hardswish as hardswish
from .layers.pointwise.activation import mish as mish
from .layers.pointwise.activation import silu as silu
from .layers.pointwise.binary import atan2 as atan2
from .layers.pointwise.binary import divide as divide
from .layers.pointwise.binary import divide_by as divide_by
from .layers.pointwise.binary import exponential as exponential
from .layers.pointwise.binary import hypot as hypot
from .layers.pointwise.binary import logaddexp as logaddexp
from .layers.pointwise.binary import raised as raised
from .layers.pointwise.binary import xlog1py as xlog1py
from .layers.pointwise.binary import xlogy as xlogy
from .layers.pointwise.compare import clamp as clamp
from .layers.pointwise.compare import fmax as fmax
from .layers.pointwise.compare import fmin as fmin
from .layers.pointwise.compare import maximum as maximum
from .layers.pointwise.compare import minimum as minimum
from .layers.pointwise.compare import where as where
from .layers.pointwise.dropout import alpha_dropout as alpha_dropout
from .layers.pointwise.dropout import dropout as dropout
from .layers.pointwise.dropout import dropout1d as dropout1d
from .layers.pointwise.dropout import dropout2d as dropout2d
from .layers.pointwise.dropout import dropout3d as dropout3d
from .layers.pointwise.dropout import feature_alpha_dropout as feature_alpha_dropout
from .layers.pointwise.dropout import feature_dropout as feature_dropout
from .layers.pointwise.leaky import leaky_relu as leaky_relu
from .layers.pointwise.leaky import prelu as prelu
from .layers.pointwise.leaky import rrelu as rrelu
from .layers.pointwise.piecewise import hardshrink as hardshrink
from .layers.pointwise.piecewise import hardsigmoid as hardsigmoid
from .layers.pointwise.piecewise import hardtanh as hardtanh
from .layers.pointwise.piecewise import relu as relu
from .layers.pointwise.piecewise import relu6 as relu6
from .layers.pointwise.piecewise import softshrink as softshrink
from .layers.pointwise.piecewise import threshold as threshold
from .layers.pointwise.pointwise import absolute as absolute
from .layers.pointwise.pointwise import erf as erf
from .layers.pointwise.pointwise import exp as exp
from .layers.pointwise.pointwise import log as log
from .layers.pointwise.pointwise import pointwise as pointwise
from .layers.pointwise.pointwise import sigmoid as sigmoid
from .layers.pointwise.pointwise import tanh as tanh
from .layers.pointwise.remainder import divide_rounded as divide_rounded
from .layers.pointwise.remainder import remainder as remainder
from .layers.pointwise.saturating import celu as celu
from .layers.pointwise.saturating import elu as elu
from .layers.pointwise.saturating import logsigmoid as logsigmoid
from .layers.pointwise.saturating import selu as selu
from .layers.pointwise.saturating import softplus as softplus
from .layers.pointwise.saturating import softsign as softsign
from .layers.pointwise.saturating import tanhshrink as tanhshrink
from .layers.pointwise.special import digamma as digamma
from .layers.pointwise.special import entr as entr
from .layers.pointwise.special import erfc as erfc
from .layers.pointwise.special import erfcx as erfcx
from .layers.pointwise.special import erfinv as erfinv
from .layers.pointwise.special import i0 as i0
from .layers.pointwise.special import i0e as i0e
from .layers.pointwise.special import i1 as i1
from .layers.pointwise.special import i1e as i1e
from .layers.pointwise.special import lgamma as lgamma
from .layers.pointwise.special import log_ndtr as log_ndtr
from .layers.pointwise.special import logit as logit
from .layers.pointwise.special import ndtr as ndtr
from .layers.pointwise.special import ndtri as ndtri
from .layers.pointwise.special import polygamma as polygamma
from .layers.pointwise.special import sinc as sinc
from .layers.pointwise.step_functions import copysign as copysign
from .layers.pointwise.step_functions import flat as flat
from .layers.pointwise.step_functions import frac as frac
from .layers.pointwise.step_functions import nan_to_num as nan_to_num
from .layers.pointwise.transcendental import acos as acos
from .layers.pointwise.transcendental import acosh as acosh
from .layers.pointwise.transcendental import asin as asin
from .layers.pointwise.transcendental import asinh as asinh
from .layers.pointwise.transcendental import atan as atan
from .layers.pointwise.transcendental import atanh as atanh
from .layers.pointwise.transcendental import cos as cos
from .layers.pointwise.transcendental import cosh as cosh
from .layers.pointwise.transcendental import exp2 as exp2
from .layers.pointwise.transcendental import expm1 as expm1
from .layers.pointwise.transcendental import log1p as log1p
from .layers.pointwise.transcendental import log2 as log2
from .layers.pointwise.transcendental import log10 as log10
from .layers.pointwise.transcendental import reciprocal as reciprocal
from .layers.pointwise.transcendental import rsqrt as rsqrt
from .layers.pointwise.transcendental import sin as sin
from .layers.pointwise.transcendental import sinh as sinh
from .layers.pointwise.transcendental import sqrt as sqrt
from .layers.pointwise.transcendental import square as square
from .layers.pointwise.transcendental import tan as tan
from .layers.pool.avg_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from .layers.pool.avg_pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from .layers.pool.avg_pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from .layers.pool.avg_pool import avg_pool1d as avg_pool1d
from .layers.pool.avg_pool import avg_pool2d as avg_pool2d
from .layers.pool.avg_pool import avg_pool3d as avg_pool3d
from .layers.pool.lp_pool import lp_pool1d as lp_pool1d
from .layers.pool.lp_pool import lp_pool2d as lp_pool2d
from .layers.pool.lp_pool import lp_pool3d as lp_pool3d
from .layers.pool.max_pool import adaptive_max_pool1d as adaptive_max_pool1d
from .layers.pool.max_pool import adaptive_max_pool2d as adaptive_max_pool2d
from .layers.pool.max_pool import adaptive_max_pool3d as adaptive_max_pool3d
from .layers.pool.max_pool import fractional_max_pool2d as fractional_max_pool2d
from .layers.pool.max_pool import fractional_max_pool3d as fractional_max_pool3d
from .layers.pool.max_pool import max_pool1d as max_pool1d
from .layers.pool.max_pool import max_pool2d as max_pool2d
from .layers.pool.max_pool import max_pool3d as max_pool3d
from .layers.pool.max_pool import max_unpool1d as max_unpool1d
from .layers.pool.max_pool import max_unpool2d as max_unpool2d
from .layers.pool.max_pool import max_unpool3d as max_unpool3d
from .layers.reduce.reduce import amax as amax
from .layers.reduce.reduce import amin as amin
from .layers.reduce.reduce import evenly as evenly
from .layers.reduce.reduce import mean_over as mean_over
from .layers.reduce.reduce import prod as prod
from .layers.reduce.reduce import std as std
from .layers.reduce.reduce import sum_over as sum_over
from .layers.reduce.reduce import var as var
from .layers.reduce.reduce import vector_norm as vector_norm
from .layers.reduce.scan import cumprod as cumprod
from .layers.reduce.scan import cumsum as cumsum
from .layers.reduce.scan import logcumsumexp as logcumsumexp
from .layers.reduce.scan import recur as recur
from .layers.reduce.selection import chosen as chosen
from .layers.resample.grid_sample import affine_grid as affine_grid
from .layers.resample.grid_sample import grid_sample as grid_sample
from .layers.resample.interpolate import interpolate as interpolate
from .layers.resample.interpolate import upsample as upsample
from .layers.resample.interpolate import upsample_bilinear as upsample_bilinear
from .layers.resample.interpolate import upsample_nearest as upsample_nearest
from .layers.sequence.attention import scaled_dot_product_attention as scaled_dot_product_attention
from .layers.sequence.embedding import embedding as embedding
from .layers.sequence.embedding import embedding_bag as embedding_bag
from .layers.sequence.multihead import multi_head_attention_forward as multi_head_attention_forward
from .layers.sequence.recurrent import gru as gru
from .layers.sequence.recurrent import gru_cell as gru_cell
from .layers.sequence.recurrent import lstm as lstm
from .layers.sequence.recurrent import lstm_cell as lstm_cell
from .layers.sequence.recurrent import rnn_relu as rnn_relu
from .layers.sequence.recurrent import rnn_relu_cell as rnn_relu_cell
from .layers.sequence.recurrent import rnn_tanh as rnn_tanh
from .layers.sequence.recurrent import rnn_tanh_cell as rnn_tanh_cell
from .layers.spectral.stft import istft as istft
from .layers.spectral.stft import stft as stft

__all__ = [
    "absolute",
    "acos",
    "acosh",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add_up",
    "addmm",
    "affine_grid",
    "alpha_dropout",
    "amax",
    "amin",
    "as_strided",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "branch",
    "cdist",
    "celu",
    "channel_shuffle",
    "cholesky",
    "cholesky_ex",
    "cholesky_inverse",
    "cholesky_solve",
    "chosen",
    "clamp",
    "conjugate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "copied",
    "copysign",
    "cos",
    "cosh",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "cumprod",
    "cumsum",
    "det",
    "diagonal",
    "digamma",
    "divide",
    "divide_by",
    "divide_rounded",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "eigh",
    "eigvalsh",
    "einsum",
    "elu",
    "embedding",
    "embedding_bag",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "evenly",
    "exp",
    "exp2",
    "expm1",
    "exponential",
    "feature_alpha_dropout",
    "feature_dropout",
    "flat",
    "flatten",
    "flip",
    "fmax",
    "fmin",
    "fold",
    "frac",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gate",
    "gather",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "grouped_mm",
    "gru",
    "gru_cell",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "hypot",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "index_add",
    "index_put",
    "index_select",
    "instance_norm",
    "interpolate",
    "inverse",
    "istft",
    "keep",
    "kl_div",
    "l1_loss",
    "l2_loss",
    "layer_norm",
    "leaky_relu",
    "lgamma",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_ndtr",
    "log_softmax",
    "logaddexp",
    "logcumsumexp",
    "logdet",
    "logit",
    "logsigmoid",
    "logsumexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "lstm",
    "lstm_cell",
    "margin_ranking_loss",
    "masked_fill",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "maximum",
    "mean_along",
    "mean_over",
    "merge",
    "minimum",
    "minus",
    "mish",
    "moved",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nan_to_num",
    "narrow",
    "ndtr",
    "ndtri",
    "nll_loss",
    "normalize",
    "outer",
    "pad",
    "pairwise_distance",
    "pdist",
    "permute",
    "pinv",
    "pixel_shuffle",
    "pixel_unshuffle",
    "plus",
    "pointwise",
    "poisson_nll_loss",
    "polygamma",
    "power",
    "prelu",
    "prod",
    "qr",
    "raised",
    "reciprocal",
    "recur",
    "relu",
    "relu6",
    "remainder",
    "reshape",
    "rms_norm",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
    "roll",
    "rrelu",
    "rsqrt",
    "scale",
    "scaled_dot_product_attention",
    "scatter",
    "scatter_add",
    "select",
    "selu",
    "shift",
    "sigmoid",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "slogdet",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "solve",
    "solve_triangular",
    "split",
    "spread",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stft",
    "sum_along",
    "sum_over",
    "svd",
    "svdvals",
    "tan",
    "tanh",
    "tanhshrink",
    "threshold",
    "times",
    "total",
    "transpose",
    "tril",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "triu",
    "unbind",
    "unflatten",
    "unfold",
    "unsqueeze",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
    "var",
    "vector_norm",
    "where",
    "xlog1py",
    "xlogy",
]

for _name in __all__:  # torch.fx records the call, and looks no further
    _fx.wrap(_name)
