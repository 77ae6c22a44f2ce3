"""CHECKS: what every layer is tested for. A check takes a `Case`, and raises an error that says what is wrong."""

from .complex_inputs import complex_inputs
from .derivatives import (
    backward_agrees,
    finite_differences,
    finite_differences_second_order,
    forward_agrees,
    forward_mode_agrees,
    mixed_mode_orders,
)
from .execution_modes import (
    autocast_agrees,
    backward_once_agrees,
    backward_uses_layers_only,
    compiles,
    cuda_agrees,
    module_agrees,
    per_datapoint_gradients,
)
from .half_precision import half_precision_accuracy
from .inputs import empty_batch, integer_inputs, memory_layouts, nan_inputs, wrong_shapes
from .memory import (
    inputs_not_overwritten,
    memory_at_most_native,
    memory_needed_gradients_only,
    memory_not_overwritten,
)
from .raw_backward import raw_gradients

CHECKS = [
    forward_agrees,
    raw_gradients,
    backward_agrees,
    finite_differences,
    finite_differences_second_order,
    backward_uses_layers_only,
    backward_once_agrees,
    forward_mode_agrees,
    mixed_mode_orders,
    per_datapoint_gradients,
    compiles,
    autocast_agrees,
    memory_layouts,
    empty_batch,
    nan_inputs,
    integer_inputs,
    complex_inputs,
    wrong_shapes,
    memory_not_overwritten,
    inputs_not_overwritten,
    memory_needed_gradients_only,
    memory_at_most_native,
    module_agrees,
    cuda_agrees,
    half_precision_accuracy,
]
