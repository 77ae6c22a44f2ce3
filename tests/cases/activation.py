"""Activations: straight lines with kinks, and smooth ones."""

from torch.nn import functional as native

import chapter14.functional as F

from .declare import CHANCE, case, given, one, pointwise, seeded, weighted

KINKS = {"nan_inputs": "PyTorch's gradient at NaN is 1 in a short tensor and 0 or NaN in a long one; here it is one"}


CASES = [
    pointwise("relu", native.relu, one(4), module=("ReLU",)),
    case("relu", given(F.relu, at_zero=0), native.relu, one(4), title="at_zero=0"),
    pointwise("relu6", native.relu6, one(4), module=("ReLU6",), skip=KINKS),
    pointwise("hardtanh", native.hardtanh, one(4), module=("Hardtanh", -0.5, 1.5), skip=KINKS),
    pointwise("hardsigmoid", native.hardsigmoid, one(4), module=("Hardsigmoid",),
              composite=lambda x: (x / 6 + 0.5).clamp(0, 1)),
    pointwise("threshold", native.threshold, one(4), module=("Threshold", 0.1, 20.0), threshold=0.1, value=20.0),
    pointwise("hardshrink", native.hardshrink, one(4), module=("Hardshrink",), skip=KINKS),
    pointwise("softshrink", native.softshrink, one(4), module=("Softshrink", 0.3), skip=KINKS),
    pointwise("leaky_relu", native.leaky_relu, one(4), module=("LeakyReLU", 0.2)),
    pointwise("leaky_relu", native.leaky_relu, one(4), "falling", negative_slope=-0.3),
    case("prelu", F.prelu, native.prelu, weighted((4, 2), (4,)),
         skip={"per_datapoint_gradients": "it needs a batch axis, as PyTorch's"}),
    pointwise("rrelu", native.rrelu, one(4), module=("RReLU",)),
    case("rrelu", seeded(given(F.rrelu, training=True)), seeded(given(native.rrelu, training=True)), one(4),
         title="by chance", skip=CHANCE),
    pointwise("gelu", native.gelu, one(4), module=("GELU",)),
    pointwise("gelu", native.gelu, one(4), "by tanh", approximate="tanh"),
    pointwise("silu", native.silu, one(4), module=("SiLU",)),
    pointwise("mish", native.mish, one(4), module=("Mish",)),
    pointwise("hardswish", native.hardswish, one(4), module=("Hardswish",), skip=KINKS),
    pointwise("softplus", native.softplus, one(4), module=("Softplus",)),
    pointwise("softplus", native.softplus, one(4), "sharp", beta=3.0, threshold=1.0),
    pointwise("elu", native.elu, one(4), module=("ELU",), skip=KINKS),
    pointwise("elu", native.elu, one(4), "half", skip=KINKS, alpha=0.5),
    pointwise("celu", native.celu, one(4), module=("CELU", 0.7), skip=KINKS, alpha=0.7),
    pointwise("selu", native.selu, one(4), module=("SELU",), skip=KINKS),
    pointwise("logsigmoid", native.logsigmoid, one(4), module=("LogSigmoid",)),
    pointwise("softsign", native.softsign, one(4), module=("Softsign",)),
    pointwise("tanhshrink", native.tanhshrink, one(4), module=("Tanhshrink",)),
    pointwise("glu", native.glu, one(4), module=("GLU",), composite=lambda x: x[..., :2] * x[..., 2:].sigmoid()),
    pointwise("glu", native.glu, one(4, 2), "over the channels", dim=-2,
              composite=lambda x: x[..., :2, :] * x[..., 2:, :].sigmoid()),
]  # fmt: skip
