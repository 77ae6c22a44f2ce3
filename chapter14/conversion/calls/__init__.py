from . import arithmetic as arithmetic
from . import loss as loss
