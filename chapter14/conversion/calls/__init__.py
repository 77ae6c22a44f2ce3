from . import arithmetic as arithmetic
from . import cast as cast
from . import choose as choose
from . import compare as compare
from . import pointwise as pointwise
from . import reduce as reduce
from . import scan as scan
