"""h and h' by declaration: transcendental, special, and steps."""

import torch

import chapter14.functional as F
from chapter14.layers.pointwise.step_functions import flat

from .declare import case, given, one, positive, two


def between(low, high):
    """x between two numbers."""

    def inputs(draw, n):
        return ((low + (high - low) * draw(n, 4).detach().sigmoid()).requires_grad_(),)

    return inputs


def same(names, inputs, where=torch, **skip):
    return [case(name, getattr(F, name), getattr(where, name), inputs, skip=skip) for name in names.split()]


CASES = [
    *same("sin cos tan atan sinh cosh asinh expm1 exp2 square erfc sinc i0", one(4)),
    *same("sqrt rsqrt reciprocal log2 log10 log1p lgamma digamma", positive),
    *same("asin acos atanh erfinv", between(-1, 1)),
    *same("acosh", between(1, 4)),
    *same("ndtr erfcx i0e", one(4), torch.special),
    *same("i1 i1e", one(4), torch.special, nan_inputs="PyTorch's gradient at NaN is 1/2; here it is NaN"),
    *same("log_ndtr", one(4), torch.special, per_datapoint_gradients="PyTorch's has no batching rule, and warns"),
    *same("entr", positive, torch.special),
    *same("ndtri", between(0, 1), torch.special),
    case("logit", F.logit, torch.logit, between(0, 1)),
    case("logit", given(F.logit, 0.3), given(torch.logit, 0.3), between(0, 1), title="eps=0.3",
         skip={"nan_inputs": "PyTorch's gradient at NaN is NaN or 0, by processor and place; here it is NaN"}),
    case("polygamma", lambda x: F.polygamma(2, x), lambda x: torch.polygamma(2, x), positive),
    case("flat", given(flat, torch.round), torch.round, one(4)),
    case("frac", F.frac, torch.frac, one(4)),
    case("copysign", F.copysign, torch.copysign, two(4), lambda a, b: a.abs() * b.sign()),
    case("nan_to_num", given(F.nan_to_num, 2.0), given(torch.nan_to_num, 2.0), one(4)),
]  # fmt: skip
