from . import arithmetic as arithmetic
from . import recurrent as recurrent
