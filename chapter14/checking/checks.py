"""CHECKS: what every layer is held to. A check takes a `Case`, and raises where the layer falls short, saying how."""

from .complex import complex_numbers
from .inputs import empty_batch, not_a_number, strides, whole_numbers, wrong_shapes
from .memory import lean, remembers, thrifty, writes_nothing
from .modes import autocasts, closed, compiles, module, on_cuda, per_datapoint, same_again
from .precision import half_precision
from .values import agrees_backward, agrees_forward, forward_mode, gradients, gradients_of_gradients, words

CHECKS = [
    agrees_forward, agrees_backward, gradients, gradients_of_gradients, closed, same_again, forward_mode, words,
    per_datapoint, compiles, autocasts, strides, empty_batch, not_a_number, whole_numbers, complex_numbers,
    wrong_shapes, remembers, writes_nothing, thrifty, lean, module, on_cuda, half_precision,
]  # fmt: skip
