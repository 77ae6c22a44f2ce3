"""The layers as functions: names and signatures of `torch.nn.functional`, and the chapter's own."""

from torch import fx as _fx

from .layers.activation import gelu as gelu
from .layers.activation import glu as glu
from .layers.activation import hardswish as hardswish
from .layers.activation import mish as mish
from .layers.activation import silu as silu
from .layers.arithmetic import gate as gate
from .layers.arithmetic import keep as keep
from .layers.arithmetic import mean_along as mean_along
from .layers.arithmetic import minus as minus
from .layers.arithmetic import plus as plus
from .layers.arithmetic import power as power
from .layers.arithmetic import scale as scale
from .layers.arithmetic import shift as shift
from .layers.arithmetic import sum_along as sum_along
from .layers.arithmetic import times as times
from .layers.arrange import flatten as flatten
from .layers.arrange import flip as flip
from .layers.arrange import narrow as narrow
from .layers.arrange import pad as pad
from .layers.arrange import permute as permute
from .layers.arrange import reshape as reshape
from .layers.arrange import roll as roll
from .layers.arrange import transpose as transpose
from .layers.arrange import unflatten as unflatten
from .layers.attention import scaled_dot_product_attention as scaled_dot_product_attention
from .layers.batchnorm import batch_norm as batch_norm
from .layers.batchnorm import instance_norm as instance_norm
from .layers.bilinear import bilinear as bilinear
from .layers.binary import atan2 as atan2
from .layers.binary import divide as divide
from .layers.binary import divide_by as divide_by
from .layers.binary import exponential as exponential
from .layers.binary import hypot as hypot
from .layers.binary import logaddexp as logaddexp
from .layers.binary import raised as raised
from .layers.binary import xlog1py as xlog1py
from .layers.binary import xlogy as xlogy
from .layers.branch import add_up as add_up
from .layers.branch import branch as branch
from .layers.branch import spread as spread
from .layers.branch import total as total
from .layers.choose import chosen as chosen
from .layers.compare import clamp as clamp
from .layers.compare import fmax as fmax
from .layers.compare import fmin as fmin
from .layers.compare import maximum as maximum
from .layers.compare import minimum as minimum
from .layers.compare import where as where
from .layers.complex import conjugate as conjugate
from .layers.convolve import conv1d as conv1d
from .layers.convolve import conv2d as conv2d
from .layers.convolve import conv3d as conv3d
from .layers.convolve import conv_tbc as conv_tbc
from .layers.convolve import conv_transpose1d as conv_transpose1d
from .layers.convolve import conv_transpose2d as conv_transpose2d
from .layers.convolve import conv_transpose3d as conv_transpose3d
from .layers.ctc import ctc_loss as ctc_loss
from .layers.determinant import det as det
from .layers.determinant import logdet as logdet
from .layers.determinant import slogdet as slogdet
from .layers.distance import cdist as cdist
from .layers.distance import cosine_similarity as cosine_similarity
from .layers.distance import pairwise_distance as pairwise_distance
from .layers.distance import pdist as pdist
from .layers.dropout import alpha_dropout as alpha_dropout
from .layers.dropout import dropout as dropout
from .layers.dropout import dropout1d as dropout1d
from .layers.dropout import dropout2d as dropout2d
from .layers.dropout import dropout3d as dropout3d
from .layers.dropout import feature_alpha_dropout as feature_alpha_dropout
from .layers.dropout import feature_dropout as feature_dropout
from .layers.eigen import eigh as eigh
from .layers.eigen import eigvalsh as eigvalsh
from .layers.eigen import svd as svd
from .layers.eigen import svdvals as svdvals
from .layers.einsum import einsum as einsum
from .layers.embedding import embedding as embedding
from .layers.embedding import embedding_bag as embedding_bag
from .layers.entropy import cross_entropy as cross_entropy
from .layers.entropy import nll_loss as nll_loss
from .layers.gather import gather as gather
from .layers.gather import index_add as index_add
from .layers.gather import index_select as index_select
from .layers.gather import scatter_add as scatter_add
from .layers.grid_sample import affine_grid as affine_grid
from .layers.grid_sample import grid_sample as grid_sample
from .layers.grouped import grouped_mm as grouped_mm
from .layers.index import index_put as index_put
from .layers.index import masked_fill as masked_fill
from .layers.index import scatter as scatter
from .layers.interpolate import interpolate as interpolate
from .layers.interpolate import upsample as upsample
from .layers.interpolate import upsample_bilinear as upsample_bilinear
from .layers.interpolate import upsample_nearest as upsample_nearest
from .layers.inverse import inverse as inverse
from .layers.inverse import pinv as pinv
from .layers.inverse import solve as solve
from .layers.leaky import leaky_relu as leaky_relu
from .layers.leaky import prelu as prelu
from .layers.leaky import rrelu as rrelu
from .layers.linear import linear as linear
from .layers.linear import outer as outer
from .layers.linear_entropy import linear_cross_entropy as linear_cross_entropy
from .layers.loss import l2_loss as l2_loss
from .layers.loss_binary import binary_cross_entropy as binary_cross_entropy
from .layers.loss_binary import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from .layers.loss_binary import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from .layers.loss_binary import soft_margin_loss as soft_margin_loss
from .layers.loss_likelihood import gaussian_nll_loss as gaussian_nll_loss
from .layers.loss_likelihood import kl_div as kl_div
from .layers.loss_likelihood import poisson_nll_loss as poisson_nll_loss
from .layers.loss_margin import cosine_embedding_loss as cosine_embedding_loss
from .layers.loss_margin import hinge_embedding_loss as hinge_embedding_loss
from .layers.loss_margin import margin_ranking_loss as margin_ranking_loss
from .layers.loss_margin import multi_margin_loss as multi_margin_loss
from .layers.loss_margin import multilabel_margin_loss as multilabel_margin_loss
from .layers.loss_margin import triplet_margin_loss as triplet_margin_loss
from .layers.loss_margin import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from .layers.loss_regression import huber_loss as huber_loss
from .layers.loss_regression import l1_loss as l1_loss
from .layers.loss_regression import mse_loss as mse_loss
from .layers.loss_regression import smooth_l1_loss as smooth_l1_loss
from .layers.lp_pool import lp_pool1d as lp_pool1d
from .layers.lp_pool import lp_pool2d as lp_pool2d
from .layers.lp_pool import lp_pool3d as lp_pool3d
from .layers.matmul import addmm as addmm
from .layers.matmul import matmul as matmul
from .layers.matrix_exp import matrix_exp as matrix_exp
from .layers.matrix_exp import matrix_power as matrix_power
from .layers.maxpool import adaptive_max_pool1d as adaptive_max_pool1d
from .layers.maxpool import adaptive_max_pool2d as adaptive_max_pool2d
from .layers.maxpool import adaptive_max_pool3d as adaptive_max_pool3d
from .layers.maxpool import fractional_max_pool2d as fractional_max_pool2d
from .layers.maxpool import fractional_max_pool3d as fractional_max_pool3d
from .layers.maxpool import max_pool1d as max_pool1d
from .layers.maxpool import max_pool2d as max_pool2d
from .layers.maxpool import max_pool3d as max_pool3d
from .layers.maxpool import max_unpool1d as max_unpool1d
from .layers.maxpool import max_unpool2d as max_unpool2d
from .layers.maxpool import max_unpool3d as max_unpool3d
from .layers.merge import merge as merge
from .layers.merge import split as split
from .layers.merge import stack as stack
from .layers.merge import unbind as unbind
from .layers.move import copied as copied
from .layers.move import moved as moved
from .layers.multihead import multi_head_attention_forward as multi_head_attention_forward
from .layers.norm import group_norm as group_norm
from .layers.norm import layer_norm as layer_norm
from .layers.norm import rms_norm as rms_norm
from .layers.piecewise import hardshrink as hardshrink
from .layers.piecewise import hardsigmoid as hardsigmoid
from .layers.piecewise import hardtanh as hardtanh
from .layers.piecewise import relu as relu
from .layers.piecewise import relu6 as relu6
from .layers.piecewise import softshrink as softshrink
from .layers.piecewise import threshold as threshold
from .layers.pointwise import absolute as absolute
from .layers.pointwise import erf as erf
from .layers.pointwise import exp as exp
from .layers.pointwise import log as log
from .layers.pointwise import pointwise as pointwise
from .layers.pointwise import sigmoid as sigmoid
from .layers.pointwise import tanh as tanh
from .layers.pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from .layers.pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from .layers.pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from .layers.pool import avg_pool1d as avg_pool1d
from .layers.pool import avg_pool2d as avg_pool2d
from .layers.pool import avg_pool3d as avg_pool3d
from .layers.qr import qr as qr
from .layers.reduce import amax as amax
from .layers.reduce import amin as amin
from .layers.reduce import evenly as evenly
from .layers.reduce import mean_over as mean_over
from .layers.reduce import prod as prod
from .layers.reduce import std as std
from .layers.reduce import sum_over as sum_over
from .layers.reduce import var as var
from .layers.reduce import vector_norm as vector_norm
from .layers.remainder import divide_rounded as divide_rounded
from .layers.remainder import remainder as remainder
from .layers.repeat import tril as tril
from .layers.repeat import triu as triu
from .layers.saturating import celu as celu
from .layers.saturating import elu as elu
from .layers.saturating import logsigmoid as logsigmoid
from .layers.saturating import selu as selu
from .layers.saturating import softplus as softplus
from .layers.saturating import softsign as softsign
from .layers.saturating import tanhshrink as tanhshrink
from .layers.scan import cumprod as cumprod
from .layers.scan import cumsum as cumsum
from .layers.scan import logcumsumexp as logcumsumexp
from .layers.scan import recur as recur
from .layers.sequence import gru as gru
from .layers.sequence import gru_cell as gru_cell
from .layers.sequence import lstm as lstm
from .layers.sequence import lstm_cell as lstm_cell
from .layers.sequence import rnn_relu as rnn_relu
from .layers.sequence import rnn_relu_cell as rnn_relu_cell
from .layers.sequence import rnn_tanh as rnn_tanh
from .layers.sequence import rnn_tanh_cell as rnn_tanh_cell
from .layers.shuffle import channel_shuffle as channel_shuffle
from .layers.shuffle import pixel_shuffle as pixel_shuffle
from .layers.shuffle import pixel_unshuffle as pixel_unshuffle
from .layers.softmax import gumbel_softmax as gumbel_softmax
from .layers.softmax import log_softmax as log_softmax
from .layers.softmax import logsumexp as logsumexp
from .layers.softmax import softmax as softmax
from .layers.softmax import softmin as softmin
from .layers.special import digamma as digamma
from .layers.special import entr as entr
from .layers.special import erfc as erfc
from .layers.special import erfcx as erfcx
from .layers.special import erfinv as erfinv
from .layers.special import i0 as i0
from .layers.special import i0e as i0e
from .layers.special import i1 as i1
from .layers.special import i1e as i1e
from .layers.special import lgamma as lgamma
from .layers.special import log_ndtr as log_ndtr
from .layers.special import logit as logit
from .layers.special import ndtr as ndtr
from .layers.special import ndtri as ndtri
from .layers.special import polygamma as polygamma
from .layers.special import sinc as sinc
from .layers.steps import copysign as copysign
from .layers.steps import flat as flat
from .layers.steps import frac as frac
from .layers.steps import nan_to_num as nan_to_num
from .layers.stft import istft as istft
from .layers.stft import stft as stft
from .layers.transcendental import acos as acos
from .layers.transcendental import acosh as acosh
from .layers.transcendental import asin as asin
from .layers.transcendental import asinh as asinh
from .layers.transcendental import atan as atan
from .layers.transcendental import atanh as atanh
from .layers.transcendental import cos as cos
from .layers.transcendental import cosh as cosh
from .layers.transcendental import exp2 as exp2
from .layers.transcendental import expm1 as expm1
from .layers.transcendental import log1p as log1p
from .layers.transcendental import log2 as log2
from .layers.transcendental import log10 as log10
from .layers.transcendental import reciprocal as reciprocal
from .layers.transcendental import rsqrt as rsqrt
from .layers.transcendental import sin as sin
from .layers.transcendental import sinh as sinh
from .layers.transcendental import sqrt as sqrt
from .layers.transcendental import square as square
from .layers.transcendental import tan as tan
from .layers.triangular import cholesky as cholesky
from .layers.triangular import cholesky_ex as cholesky_ex
from .layers.triangular import cholesky_inverse as cholesky_inverse
from .layers.triangular import cholesky_solve as cholesky_solve
from .layers.triangular import solve_triangular as solve_triangular
from .layers.unfold import fold as fold
from .layers.unfold import unfold as unfold
from .layers.unit import local_response_norm as local_response_norm
from .layers.unit import normalize as normalize
from .layers.view import as_strided as as_strided
from .layers.view import diagonal as diagonal
from .layers.view import select as select
from .layers.view import squeeze as squeeze
from .layers.view import unsqueeze as unsqueeze

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
