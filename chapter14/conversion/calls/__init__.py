from . import arithmetic as arithmetic
from . import convolution as convolution
from . import embedding as embedding
from . import fourier as fourier
from . import linalg as linalg
from . import matmul as matmul
from . import resample as resample
