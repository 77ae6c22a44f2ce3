"""The modules whose forward only calls functions, derived from torch.nn.

`from .mirror import Conv2d` makes a subclass of `torch.nn.Conv2d` whose method that calls `F.conv2d` is PyTorch's code,
run with the globals of this file: here `F` is `chapter14.functional`. The rest is inherited. mirror.pyi gives each
class the static type of its counterpart.
"""

import functools
import types
import warnings
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.utils import _pair as _pair
from torch.nn.modules.utils import _single as _single
from torch.nn.modules.utils import _triple as _triple

from .. import functional as F
from .fallback import or_natively

torch = F  # PyTorch's code calls torch.tanh and torch.sigmoid


@functools.cache
def mirrored(native: type[nn.Module]) -> type[nn.Module]:
    """A subclass of `native` that calls our functions; of a lazy class, one that becomes a mirrored class."""
    own: dict[str, Any] = {"__module__": __package__, "__doc__": native.__doc__}
    for name in ("forward", "_conv_forward", "_apply_instance_norm"):
        method = getattr(native, name, None)
        if method is not None and {"F", "torch"}.intersection(method.__code__.co_names):
            own[name] = or_natively(method)(_with_our_globals(method))
    if hasattr(native, "_handle_no_batch_input"):
        own["_handle_no_batch_input"] = _without_batch
    if hasattr(native, "cls_to_become"):
        own["cls_to_become"] = mirrored(native.cls_to_become)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of a deprecated class: making an instance warns
        return type(native.__name__, (native,), own)


def _with_our_globals(method: types.FunctionType) -> types.FunctionType:
    ours = types.FunctionType(method.__code__, globals(), method.__name__, method.__defaults__, method.__closure__)
    for name in ("__kwdefaults__", "__annotations__", "__doc__", "__qualname__"):
        setattr(ours, name, getattr(method, name))
    return ours


def _without_batch(self: Any, input: Tensor) -> Tensor:
    """Instance norm of one datapoint, where PyTorch's code calls methods of the tensor."""
    return F.squeeze(self._apply_instance_norm(F.unsqueeze(input, 0)), 0)


def __getattr__(name: str) -> type[nn.Module]:
    """
    Raises:
        AttributeError: torch.nn has no such module.
    """
    native = getattr(nn, name, None)
    if not (isinstance(native, type) and issubclass(native, nn.Module)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return mirrored(native)
