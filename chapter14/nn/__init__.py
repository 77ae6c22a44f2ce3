"""The layers as modules: each a subclass of its twin in `torch.nn`, with its constructor, `state_dict` and `repr`.

A module owns the parameters and hands them to the layer as inputs, (14.1): `forward` is one line. Containers
are torch's.
"""

from torch.nn import Identity as Identity
from torch.nn import Module as Module
from torch.nn import ModuleDict as ModuleDict
from torch.nn import ModuleList as ModuleList
from torch.nn import Parameter as Parameter
from torch.nn import ParameterDict as ParameterDict
from torch.nn import ParameterList as ParameterList
from torch.nn import Sequential as Sequential
from torch.nn import init as init
from torch.nn import utils as utils

from .. import functional as functional
from .activation import ELU as ELU
from .activation import GELU as GELU
from .activation import LeakyReLU as LeakyReLU
from .activation import LogSoftmax as LogSoftmax
from .activation import ReLU as ReLU
from .activation import Sigmoid as Sigmoid
from .activation import SiLU as SiLU
from .activation import Softmax as Softmax
from .activation import Softmin as Softmin
from .activation import Softplus as Softplus
from .activation import Tanh as Tanh
from .arrange import Flatten as Flatten
from .arrange import PixelShuffle as PixelShuffle
from .arrange import PixelUnshuffle as PixelUnshuffle
from .attention import MultiheadAttention as MultiheadAttention
from .chapter import Branch as Branch
from .chapter import L2Loss as L2Loss
from .chapter import Merge as Merge
from .chapter import Pointwise as Pointwise
from .convolution import Conv1d as Conv1d
from .convolution import Conv2d as Conv2d
from .convolution import Conv3d as Conv3d
from .convolution import ConvTranspose1d as ConvTranspose1d
from .convolution import ConvTranspose2d as ConvTranspose2d
from .convolution import ConvTranspose3d as ConvTranspose3d
from .dropout import Dropout as Dropout
from .embedding import Embedding as Embedding
from .linear import Linear as Linear
from .loss import CrossEntropyLoss as CrossEntropyLoss
from .loss import L1Loss as L1Loss
from .loss import MSELoss as MSELoss
from .loss import NLLLoss as NLLLoss
from .norm import BatchNorm1d as BatchNorm1d
from .norm import BatchNorm2d as BatchNorm2d
from .norm import BatchNorm3d as BatchNorm3d
from .norm import LayerNorm as LayerNorm
from .pool import AdaptiveAvgPool1d as AdaptiveAvgPool1d
from .pool import AdaptiveAvgPool2d as AdaptiveAvgPool2d
from .pool import AdaptiveAvgPool3d as AdaptiveAvgPool3d
from .pool import AdaptiveMaxPool1d as AdaptiveMaxPool1d
from .pool import AdaptiveMaxPool2d as AdaptiveMaxPool2d
from .pool import AdaptiveMaxPool3d as AdaptiveMaxPool3d
from .pool import AvgPool1d as AvgPool1d
from .pool import AvgPool2d as AvgPool2d
from .pool import AvgPool3d as AvgPool3d
from .pool import MaxPool1d as MaxPool1d
from .pool import MaxPool2d as MaxPool2d
from .pool import MaxPool3d as MaxPool3d
from .recurrent import GRU as GRU
from .recurrent import LSTM as LSTM
from .recurrent import RNN as RNN
from .recurrent import GRUCell as GRUCell
from .recurrent import LSTMCell as LSTMCell
from .recurrent import RNNCell as RNNCell
from .transformer import Transformer as Transformer
from .transformer import TransformerDecoder as TransformerDecoder
from .transformer import TransformerDecoderLayer as TransformerDecoderLayer
from .transformer import TransformerEncoder as TransformerEncoder
from .transformer import TransformerEncoderLayer as TransformerEncoderLayer
