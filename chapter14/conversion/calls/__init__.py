from . import activation as activation
from . import arithmetic as arithmetic
from . import dropout as dropout
from . import norm as norm
