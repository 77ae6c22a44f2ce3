from .rule import SGD as SGD
from .rule import Adam as Adam
from .rule import AdamW as AdamW
