"""by_hand(): every torch call inside goes to its twin, in models that know nothing of us.

PyTorch hands each call of its functions, methods and operators to a torch function mode before it runs. Ours looks it
up in TWINS. A function of PyTorch's that is written in Python and has no twin is opened: it runs with the mode on, so
that what it calls in turn is seen.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_leaves

from ..layers.inplace import anew
from ..recorder import AT_WORK, recorder
from . import inplace as inplace
from .table import TWINS


class NotByHand(NotImplementedError):
    """A call has no hand-written twin, and `strict` was asked for."""


class ByHand(TorchFunctionMode):
    """`native` counts the differentiable calls that ran natively, by name; not those that torch.compile traces."""

    #: Layers are by hand already.
    lets_layers_be = True

    def __init__(self, strict: bool = False):
        super().__init__()
        self.strict = strict
        self.native: dict[str, int] = {}  # no Counter: the Dynamo of PyTorch 2.7 does not trace one

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if not _differentiated() or _is_traced(types):  # inside a layer, above all
            return func(*args, **kwargs)
        if kwargs.get("out") is None:
            if (twin := _twin(func)) is not None:
                x_out = twin(*map(_anew, args), **{name: _anew(x) for name, x in kwargs.items()})
                if x_out is not NotImplemented:
                    return x_out
            if (opened := _opened_form(func)) is not None:
                with self:
                    return opened(*args, **kwargs)
        x_out = func(*args, **kwargs)
        if AT_WORK and recorder() is not None:
            return x_out  # who records hears of each call
        if not torch.compiler.is_compiling() and _made_a_node(x_out, (args, kwargs)):
            name = getattr(func, "__qualname__", repr(func))
            if self.strict:
                raise NotByHand(f"by_hand: {name} has no hand-written twin, and strict=True was asked for.")
            self.native[name] = self.native.get(name, 0) + 1
        return x_out


def _differentiated() -> bool:
    """Whether calls are differentiated now, or layers recorded; not so inside a layer."""
    return (
        torch.is_grad_enabled()
        or forward_ad._current_level >= 0
        or torch._C._are_functorch_transforms_active()
        or bool(AT_WORK and recorder() is not None)
    )


def _is_traced(types: Any) -> bool:
    """Whether torch.fx traces: it records the call as it was written, and symbolic.py sees to the graph."""
    return bool(types) and any(issubclass(cls, fx.Proxy) for cls in types)


def _anew(x: Any) -> Any:
    """What has been written into since it was made, read anew."""
    if isinstance(x, Tensor):
        return anew(x)
    return list(map(_anew, x)) if type(x) in (list, tuple) and any(isinstance(t, Tensor) for t in x) else x


#: What most calls give: somebody asks for a shape, a dtype, a number.
_NO_TENSORS = bool, int, float, str, type(None), torch.Size, torch.dtype, torch.device


def _made_a_node(x_out: Any, inputs: Any) -> bool:
    if isinstance(x_out, _NO_TENSORS) or (isinstance(x_out, Tensor) and x_out.grad_fn is None):
        return False
    outputs = [t for t in tree_leaves(x_out) if isinstance(t, Tensor) and t.grad_fn is not None]
    if not outputs:
        return False
    before = {id(t) for t in tree_leaves(inputs)}
    return any(id(t) not in before for t in outputs)


#: Of the methods of Tensor that are written in Python, those that compute: the others see to files, hooks and printing,
#: or call the method of the same name in C, which comes back here as themselves.
_METHODS = frozenset(
    "norm split __reversed__ __rsub__ __rdiv__ __rtruediv__ __pow__ __rmod__ __rpow__ __floordiv__ "
    "__rfloordiv__ __rmatmul__".split()
)


def _opened() -> Iterator[tuple[Callable, Callable]]:
    """Each function of PyTorch's that is written in Python, and it again without the question whether a mode is on."""
    no = {f"has_torch_function{kind}": lambda *_: False for kind in ("", "_unary", "_variadic")}
    methods = {name: f for name, f in vars(Tensor).items() if name in _METHODS}
    for place in (vars(torch.nn.functional), vars(torch.functional), methods):
        for f in place.values():
            if isinstance(f, types.FunctionType) and any(name in f.__code__.co_names for name in no):
                code = f.__code__.replace(co_filename=f"<opened {f.__name__}>")  # Dynamo refuses some of torch's files
                opened = types.FunctionType(code, f.__globals__ | no, f.__name__, f.__defaults__, f.__closure__)
                opened.__kwdefaults__ = f.__kwdefaults__
                yield f, opened


OPENED = dict(_opened())


#: What is looked up, in an order. Dynamo, tracing, does not find each function among the keys of a dict (an operator
#: that is written in Python is another one to it): there, the dict is asked by Python itself for a number, a constant.
_NUMBERED = tuple(dict.fromkeys([*TWINS.values(), *OPENED.values()]))
_NUMBERS = {f: n for n, f in enumerate(_NUMBERED)}


def _twin(func: Any) -> Callable | None:
    return _numbered(_number_of_twin(func)) if torch.compiler.is_compiling() else TWINS.get(func)


def _opened_form(func: Any) -> Callable | None:
    return _numbered(_number_of_opened(func)) if torch.compiler.is_compiling() else OPENED.get(func)


def _numbered(n: int) -> Callable | None:
    return _NUMBERED[n] if n >= 0 else None


@torch.compiler.assume_constant_result
def _number_of_twin(func: Any) -> int:
    return _NUMBERS[TWINS[func]] if func in TWINS else -1


@torch.compiler.assume_constant_result
def _number_of_opened(func: Any) -> int:
    return _NUMBERS[OPENED[func]] if func in OPENED else -1


def by_hand(strict: bool = False) -> AbstractContextManager[ByHand]:
    """Every differentiable torch call inside, of functions, methods and operators, goes to its hand-written twin.

    A call that has none runs natively and is counted in `.native` of what this yields.

    Args:
        strict: raise for such a call instead.

    Raises:
        NotByHand: a call has no twin, and `strict` was asked for.

    >>> with by_hand() as mode:
    ...     J = loss(model(x), y)
    """
    there = at_work()
    return ByHand(strict) if strict or there is None else nullcontext(there)


def at_work() -> ByHand | None:
    """The mode that calls already go through here; None where they do not."""
    for mode in _get_current_function_mode_stack():
        if isinstance(mode, ByHand):
            return mode
    return None
