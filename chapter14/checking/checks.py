"""CHECKS: what every layer is tested for. A check takes a `Case`, and raises an error that says what is wrong."""

from .complex_inputs import complex_inputs
from .derivatives import (
    backward_agrees,
    finite_differences,
    finite_differences_second_order,
    forward_agrees,
    forward_mode_agrees,
    mixed_mode_orders,
    raw_gradients,
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

#: What a quick run leaves out: what needs torch.func or the compiler, whose import alone takes longer than the rest.
SLOW = [mixed_mode_orders, per_datapoint_gradients, compiles]
QUICK = [check for check in CHECKS if check not in SLOW]

_FORWARD = ["forward_agrees"]
_RAW = ["raw_gradients"]
_GRADIENT = [*_FORWARD, *_RAW, "backward_agrees", "finite_differences"]
_SECOND = [*_GRADIENT, "finite_differences_second_order", "forward_mode_agrees"]

#: check → the checks whose failure can be why it fails: it compares what those compare, in another mode or with other
#: inputs. A check that is not named here is about something of its own.
FOLLOWS: dict[str, list[str]] = {
    "backward_agrees": _FORWARD + _RAW,
    "finite_differences": [*_RAW, "backward_agrees"],
    "finite_differences_second_order": _GRADIENT,
    "backward_once_agrees": _RAW,
    "forward_mode_agrees": [*_FORWARD, "finite_differences"],
    "mixed_mode_orders": _SECOND,
    "per_datapoint_gradients": _GRADIENT,
    "compiles": _RAW,
    "autocast_agrees": _GRADIENT,
    "memory_layouts": _RAW,
    "empty_batch": _GRADIENT,
    "nan_inputs": _GRADIENT,
    "integer_inputs": _FORWARD,
    "complex_inputs": _SECOND,
    "wrong_shapes": _FORWARD,
    "memory_not_overwritten": _RAW,
    "inputs_not_overwritten": _RAW,
    "module_agrees": _FORWARD,
    "cuda_agrees": _GRADIENT,
    "half_precision_accuracy": _GRADIENT,
}
