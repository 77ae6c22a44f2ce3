"""What an older PyTorch does otherwise, of those that are promised: the tests say so here, and nowhere else."""

import torch

#: Whether this is PyTorch 2.9, the oldest promised version. What follows is about it alone.
OLDEST = torch.__version__ < (2, 10)

#: As in pyproject.toml, for what PyTorch of this version does by itself.
WARNINGS = [
    "ignore:.*should not be instantiated:DeprecationWarning",  # Dynamo makes a Function as it traces one
] if OLDEST else []  # fmt: skip

_IN_2_9 = {
    "PyTorch 2.9's aminmax has no derivative": """
        conversion/test_calls.py::test_calls[smallest and largest]
        conversion/test_calls.py::test_calls_compiled[smallest and largest]
    """,
    "PyTorch 2.9 compiles its own multilabel_margin_loss into another value, which `forward` calls": """
        layers/test_layers.py::test_layer[compiles-multilabel_margin_loss]
        layers/test_layers.py::test_layer[compiles-multilabel_margin_loss, of each]
    """,
    "PyTorch 2.9 has no batching rule for masked_fill by a tensor, and warns that it is slow": """
        layers/test_layers.py::test_layer[per_datapoint_gradients-masked_fill, a value that learns]
    """,
    "PyTorch 2.9's checkpoint(debug=True) logs what Python's logging cannot format, where pytest captures logs": """
        conversion/test_by_hand_recompute.py::test_recomputed_by_hand[to its end-after]
        conversion/test_by_hand_recompute.py::test_recomputed_by_hand[to its end-in a thread]
        conversion/test_by_hand_recompute.py::test_recomputed_by_hand[selective-inside]
    """,
    "PyTorch 2.9's stft, which `forward` calls, takes no bfloat16": """
        layers/test_layers.py::test_layer[forward_agrees-stft]
        layers/test_layers.py::test_layer[forward_agrees-stft, two-sided]
    """,
    "PyTorch 2.9 sends no gradient, or all, to one of two operands where there is a NaN": """
        layers/test_layers.py::test_layer[nan_inputs-clamp, between tensors]
    """,
}

_BEFORE_2_15 = {
    "PyTorch up to 2.14 sends g to both operands of fmax and fmin where one is NaN": """
        layers/test_layers.py::test_layer[nan_inputs-fmax]
        layers/test_layers.py::test_layer[nan_inputs-fmin, broadcast]
    """,
}

#: The tests of what this version does not have, or has otherwise, by their names: why.
SKIPPED = {
    test.strip(): reason
    for applies, reasons in ((torch.__version__ < (2, 15), _BEFORE_2_15), (OLDEST, _IN_2_9))
    if applies
    for reason, tests in reasons.items()
    for test in tests.strip().splitlines()
}
