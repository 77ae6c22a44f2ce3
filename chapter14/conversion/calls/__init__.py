from . import arithmetic as arithmetic
from . import arrange as arrange
from . import complex as complex
from . import index as index
from . import join as join
from . import move as move
from . import scatter as scatter
