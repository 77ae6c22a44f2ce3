from . import arithmetic as arithmetic
from . import convolution as convolution
from . import embedding as embedding
from . import matmul as matmul
