from . import arithmetic as arithmetic
from . import convolution as convolution
from . import matmul as matmul
