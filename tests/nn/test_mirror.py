"""chapter14.nn beside torch.nn: each class is its twin's subclass, and reads, copies and pickles as one."""

import builtins
import copy
import dis
import inspect
import pickle
import types

import pytest
import torch

import chapter14.nn as nn
from chapter14.nn import mirror

TWINS = {
    name: (cls, native)
    for name, cls in vars(nn).items()
    if isinstance(cls, type) and (native := getattr(torch.nn, name, cls)) is not cls
}
MIRRORED = {name: cls for name, (cls, _) in TWINS.items() if cls.__module__ == nn.__name__}


@pytest.mark.parametrize("name", TWINS)
def test_mirrored_class_is_found_and_documented(name):
    cls, native = TWINS[name]
    assert issubclass(cls, native) and cls.__name__ == name
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert inspect.getdoc(cls)
    if name != "ReLU":  # which takes `at_zero` too
        assert inspect.signature(cls) == inspect.signature(native)
    if (target := getattr(native, "cls_to_become", None)) is not None:
        assert cls.cls_to_become is getattr(nn, target.__name__)


@pytest.mark.parametrize("name", MIRRORED)
def test_mirror_has_all_names_that_pytorchs_code_uses(name):
    """A newer PyTorch may use others: then the name is imported in mirror.py, or the class is written by hand."""
    methods = [inspect.unwrap(f) for f in vars(MIRRORED[name]).values() if isinstance(f, types.FunctionType)]
    codes = [f.__code__ for f in methods if f.__globals__ is vars(mirror)]
    found = {i.argval for code in codes for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    assert found & {"F", "torch"} and found <= {*vars(mirror), *vars(builtins)}


def test_module_is_copied_pickled_and_printed():
    for module in (nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.LSTM(3, 4), nn.TransformerEncoderLayer(4, 2)):
        for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            assert type(again) is type(module) and repr(again) == repr(module)
            torch.testing.assert_close(again.state_dict(), module.state_dict())


def test_mirrored_class_can_be_subclassed():
    class Mine(nn.Conv2d):
        def forward(self, input):
            return super().forward(input) + 1

    module = Mine(1, 1, 1)
    x = torch.ones(1, 1, 2, 2)
    torch.testing.assert_close(module(x), torch.nn.functional.conv2d(x, module.weight, module.bias) + 1)


def test_unknown_module_name():
    with pytest.raises(AttributeError, match="no attribute 'Conv4d'"):
        mirror.Conv4d  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'functional_'"):
        mirror.functional_  # noqa: B018
