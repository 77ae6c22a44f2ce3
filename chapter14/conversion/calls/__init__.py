from . import arithmetic as arithmetic
from . import pool as pool
from . import recurrent as recurrent
