"""The layers as functions: names and signatures of `torch.nn.functional`, and the chapter's own.

`inplace` is taken and has no effect: what is written over could not be remembered.
"""

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
from .layers.arrange import pixel_shuffle as pixel_shuffle
from .layers.arrange import pixel_unshuffle as pixel_unshuffle
from .layers.arrange import put as put
from .layers.arrange import reshape as reshape
from .layers.arrange import roll as roll
from .layers.arrange import take as take
from .layers.arrange import transpose as transpose
from .layers.attention import scaled_dot_product_attention as scaled_dot_product_attention
from .layers.branch import add_up as add_up
from .layers.branch import branch as branch
from .layers.branch import spread as spread
from .layers.branch import total as total
from .layers.convolution import conv1d as conv1d
from .layers.convolution import conv2d as conv2d
from .layers.convolution import conv3d as conv3d
from .layers.convolution import conv_transpose1d as conv_transpose1d
from .layers.convolution import conv_transpose2d as conv_transpose2d
from .layers.convolution import conv_transpose3d as conv_transpose3d
from .layers.dropout import dropout as dropout
from .layers.entropy import cross_entropy as cross_entropy
from .layers.entropy import nll_loss as nll_loss
from .layers.gather import embedding as embedding
from .layers.gather import pick as pick
from .layers.gather import place as place
from .layers.linear import linear as linear
from .layers.linear import outer as outer
from .layers.loss import l1_loss as l1_loss
from .layers.loss import l2_loss as l2_loss
from .layers.loss import mse_loss as mse_loss
from .layers.lp_pool import lp_pool1d as lp_pool1d
from .layers.lp_pool import lp_pool2d as lp_pool2d
from .layers.lp_pool import lp_pool3d as lp_pool3d
from .layers.matmul import matmul as matmul
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
from .layers.multihead import multi_head_attention_forward as multi_head_attention_forward
from .layers.norm import batch_norm as batch_norm
from .layers.norm import layer_norm as layer_norm
from .layers.norm import normalize as normalize
from .layers.pointwise import absolute as absolute
from .layers.pointwise import elu as elu
from .layers.pointwise import erf as erf
from .layers.pointwise import exp as exp
from .layers.pointwise import gelu as gelu
from .layers.pointwise import leaky_relu as leaky_relu
from .layers.pointwise import log as log
from .layers.pointwise import pointwise as pointwise
from .layers.pointwise import relu as relu
from .layers.pointwise import sigmoid as sigmoid
from .layers.pointwise import silu as silu
from .layers.pointwise import softplus as softplus
from .layers.pointwise import tanh as tanh
from .layers.pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from .layers.pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from .layers.pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from .layers.pool import avg_pool1d as avg_pool1d
from .layers.pool import avg_pool2d as avg_pool2d
from .layers.pool import avg_pool3d as avg_pool3d
from .layers.sequence import gru as gru
from .layers.sequence import gru_cell as gru_cell
from .layers.sequence import lstm as lstm
from .layers.sequence import lstm_cell as lstm_cell
from .layers.sequence import rnn_relu as rnn_relu
from .layers.sequence import rnn_relu_cell as rnn_relu_cell
from .layers.sequence import rnn_tanh as rnn_tanh
from .layers.sequence import rnn_tanh_cell as rnn_tanh_cell
from .layers.softmax import log_softmax as log_softmax
from .layers.softmax import logsumexp as logsumexp
from .layers.softmax import softmax as softmax
from .layers.softmax import softmin as softmin

__all__ = [
    "absolute",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add_up",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "branch",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "erf",
    "exp",
    "flatten",
    "flip",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gate",
    "gelu",
    "gru",
    "gru_cell",
    "keep",
    "l1_loss",
    "l2_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log_softmax",
    "logsumexp",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "lstm",
    "lstm_cell",
    "matmul",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mean_along",
    "merge",
    "minus",
    "mse_loss",
    "multi_head_attention_forward",
    "narrow",
    "nll_loss",
    "normalize",
    "outer",
    "pad",
    "permute",
    "pick",
    "pixel_shuffle",
    "pixel_unshuffle",
    "place",
    "plus",
    "pointwise",
    "power",
    "put",
    "relu",
    "reshape",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
    "roll",
    "scale",
    "scaled_dot_product_attention",
    "shift",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "split",
    "spread",
    "sum_along",
    "take",
    "tanh",
    "times",
    "total",
    "transpose",
]
