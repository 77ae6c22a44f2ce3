from . import arithmetic as arithmetic
