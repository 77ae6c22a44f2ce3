"""convert gives a module another class: whatever a class may be in Python, the module works as it did."""

import abc
import copy
import dataclasses
import gc
import io
import pickle
import typing
import weakref
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.testing import assert_close

import chapter14
from chapter14 import audit, convert
from chapter14.conversion.convert import Rerouted

T = typing.TypeVar("T")


class Plain(nn.Module):
    def __init__(self, n: int = 4):
        super().__init__()
        self.n = n
        self.linear = nn.Linear(n, n)

    def encode(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)


class Abstract(abc.ABC, nn.Module):
    @abc.abstractmethod
    def forward(self, x): ...


class OfAbstract(Abstract):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x).sigmoid()


class OfGeneric(typing.Generic[T], Plain):
    pass


@typing.runtime_checkable
class Encodes(typing.Protocol):
    def encode(self, x): ...


class OfProtocol(Encodes, Plain):
    def __init__(self):
        Plain.__init__(self)

    def encode(self, x):
        return super(Encodes, self).encode(x) * 2


class Slotted:
    __slots__ = ("cache",)


class OfSlots(Slotted, Plain):
    def forward(self, x):
        self.cache = x.shape
        return super().forward(x) * len(self.cache)


class Meta(type):
    made: typing.ClassVar[list] = []

    def __new__(cls, name, bases, namespace, **options):
        made = super().__new__(cls, name, bases, namespace)
        Meta.made.append(made)
        return made

    def __call__(cls, *args, **kwargs):
        module = super().__call__(*args, **kwargs)
        module.tag = 3
        return module


class OfMeta(Plain, metaclass=Meta):
    def forward(self, x):
        return super().forward(x) * self.tag


class Registered(nn.Module):
    registry: typing.ClassVar[dict] = {}

    def __init_subclass__(cls, /, name: str, **options):
        super().__init_subclass__(**options)
        Registered.registry[name] = cls


class OfRegistry(Plain, Registered, name="one"):
    pass


class Indexed(Plain):
    def __class_getitem__(cls, key):
        return cls, key

    def forward(self, x):
        assert type(self)["key"] == (type(self), "key")
        return super().forward(x)


@dataclasses.dataclass(eq=False)
class Data(nn.Module):
    n: int = 4

    def __post_init__(self):
        super().__init__()
        self.linear = nn.Linear(self.n, self.n)

    def forward(self, x):
        return torch.tanh(self.linear(x))


class Sealed(Plain):
    def __init__(self):
        super().__init__()
        self.__dict__["sealed"] = True

    def __setattr__(self, name, value):
        if self.__dict__.get("sealed"):
            raise AttributeError("sealed")
        super().__setattr__(name, value)


class Silent(Plain):
    def __setattr__(self, name, value):
        if name != "__class__":
            super().__setattr__(name, value)


class Delegates(Plain):
    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("linear"), name)

    def forward(self, x):
        return super().forward(x) * self.in_features


class Calls(Plain):
    def __call__(self, x):
        return super().__call__(x) + torch.cos(x)


class Clones(Plain):
    def forward(self, x):
        if not hasattr(self, "depth"):
            other = type(self)(self.n).double()
            other.load_state_dict(self.state_dict())
            other.depth = 1
            return other(x) + super().forward(x)
        return super().forward(x)


class Hides(Plain):
    """A method of the base is none here."""

    encode = None

    def forward(self, x):
        return torch.sin(self.linear(x)) if self.encode is None else super().forward(x)


class Behind:
    def forward(self, x):
        raise AssertionError("nn.Linear comes first")


class InFront(nn.Linear, Behind):
    def __init__(self):
        super().__init__(4, 4)


class Reduces(Plain):
    def __reduce__(self):
        return type(self), (self.n,), self.__dict__


class Made(Plain):
    def __new__(cls, n):
        return super().__new__(cls)

    def __init__(self, n=4):
        super().__init__(n)

    def __getnewargs_ex__(self):
        return (), {"n": self.n}


CLASSES = [
    Plain, OfAbstract, OfGeneric, OfProtocol, OfSlots, OfMeta, OfRegistry, Indexed, Data, Sealed, Silent, Delegates,
    Calls, Clones, Hides, InFront, Reduces, Made
]  # fmt: skip


def made(cls):
    torch.manual_seed(14)
    return (cls(4) if cls is Made else cls()).double()


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(14), dtype=torch.float64).requires_grad_()


def results(model, x):
    x_out = model(x)
    return x_out, *torch.autograd.grad(x_out.square().sum(), [x, *model.parameters()])


def assert_same(model, native, x):
    assert_close(results(model, x), results(native, x))
    assert audit(model(x)).fraction == 1


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_user_classes(cls):
    native, x = made(cls), drawn(3, 4)
    classes, registered = list(Meta.made), dict(Registered.registry)
    model = convert(native)
    assert Meta.made == classes and Registered.registry == registered
    assert isinstance(model, cls) and isinstance(model, Rerouted) and repr(model) == repr(native)
    assert type(model) is type(convert(native)) and type(native) is cls
    assert isinstance(model, Encodes) == isinstance(native, Encodes)
    assert_same(model, native, x)
    assert_same(copy.deepcopy(model), native, x)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        try:
            pickle.dumps(native, protocol)
        except (TypeError, ValueError):  # __slots__ or __getnewargs_ex__ in an old protocol
            continue
        again = pickle.loads(pickle.dumps(model, protocol))
        assert type(again) is type(model)
        assert_same(again, native, x)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert_same(torch.load(file, weights_only=False), native, x)
    assert_same(convert(made(cls), inplace=True), native, x)


def test_subclass_of_a_converted_class():
    class Mine(type(convert(made(OfRegistry))), name="mine"):
        pass

    assert Registered.registry.pop("mine") is Mine
    model = Mine().double()
    assert convert(model).encode(drawn(4)).shape == (4,) and issubclass(Mine, OfRegistry)


def test_method_replaced_after_convert_is_called():
    model, x = convert(made(Plain)), drawn(4)
    with mock.patch.object(Plain, "encode", lambda self, x: torch.sin(x) * 5):
        assert_close(model(x), x.sin() * 5)
        assert audit(model(x)).fraction == audit(model.encode(x)).fraction == 1
    assert_same(model, made(Plain), x)


def test_converted_method_called_on_a_native_object():
    native, x = made(Plain), drawn(4)
    assert_close(type(convert(native)).forward(native, x), native(x))


def local():
    class Local(Plain):
        def forward(self, x):
            return super().forward(x) * 2

    return Local().double()


def test_converted_classes_are_collected():
    there = []
    for _ in range(30):
        native = local()
        model = convert(native)
        model(drawn(4)).sum().backward()
        there += map(weakref.ref, (native, model, type(native), type(model)))
    del native, model
    gc.collect()
    assert not any(ref() is not None for ref in there)


def test_one_class_from_many_threads():
    native = local()
    with ThreadPoolExecutor(8) as threads:
        assert len({type(model) for model in threads.map(convert, 64 * [native])}) == 1


# what deepcopy refuses


class Remembers(Plain):
    def __init__(self):
        super().__init__()
        self.by_name, self.listed, self.nested = {}, [], (1, {"a": [None]})

    def forward(self, x):
        h = self.linear(x)
        self.h, self.by_name["h"], self.nested[1]["a"][0] = h, h, h
        self.listed.append(h * 2)
        return h.tanh()


def test_computed_tensors_held_by_a_model():
    native, x = made(Remembers), drawn(3, 4)
    native(x)
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly"):
        copy.deepcopy(native)
    model = convert(native)
    assert model.h is model.by_name["h"] is model.nested[1]["a"][0] and model.h is not native.h
    assert_close((model.h, model.listed), (native.h.detach(), [t.detach() for t in native.listed]))
    assert_same(model, native, x)
    frozen = chapter14.freeze(native)
    assert_close(frozen(x), native(x))
    assert convert(native, inplace=True).h.grad_fn is not None


# lazy modules


class Matrix(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.W = nn.Parameter(torch.ones(n, 3))

    def forward(self, x):
        return (x @ self.W).tanh()


class LazyMatrix(LazyModuleMixin, Matrix):
    cls_to_become = Matrix

    def __init__(self):
        super().__init__(0)
        self.W = nn.UninitializedParameter()

    def initialize_parameters(self, x):
        if self.has_uninitialized_params():
            self.W.materialize((x.shape[-1], 3))
            nn.init.ones_(self.W)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("lazy", [LazyMatrix, nn.LazyBatchNorm1d, lambda: nn.LazyLinear(3)])
def test_uninitialized_lazy_module(lazy):
    native, x = lazy(), drawn(5, 4).detach().float().requires_grad_()
    model = convert(native)
    for module in (model, native):
        torch.manual_seed(14)
        module(x)
    assert type(model) is type(convert(native)) and type(model) not in (Matrix, nn.BatchNorm1d, nn.Linear)
    assert_same(model, native, x)
