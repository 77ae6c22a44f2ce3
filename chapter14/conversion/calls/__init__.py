from . import arithmetic as arithmetic
from . import matmul as matmul
