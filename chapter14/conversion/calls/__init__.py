from . import activation as activation
from . import arithmetic as arithmetic
