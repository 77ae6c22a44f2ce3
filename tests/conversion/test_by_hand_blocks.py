"""Blocks of by_hand() that cross, in generators, tasks and threads; what they count, and `strict`."""

import asyncio
import threading

import pytest
import torch
from torch._C import _len_torch_function_stack

import chapter14
from chapter14 import by_hand
from chapter14.conversion.by_hand import NotByHand


def is_by_hand():
    return chapter14.audit(torch.ones(3, requires_grad=True).exp()).native == {}


def native_call():
    torch.quantile(torch.ones(2, requires_grad=True) * 2, 0.5)


@pytest.fixture(autouse=True)
def as_before():
    yield
    assert _len_torch_function_stack() == 0 and not is_by_hand()


def steps(n, strict=False):
    with by_hand(strict):
        for _ in range(n):
            assert is_by_hand()
            yield


def test_generator_outlives_its_block():
    with by_hand():
        g = steps(3)
        next(g)
    next(g)
    assert is_by_hand()  # a suspended block is open, as torch.no_grad's is
    assert len(list(g)) == 1


def test_block_outlives_an_older_generator():
    g = steps(1)
    next(g)
    with by_hand() as block:
        assert list(g) == [] and is_by_hand()
        native_call()
    assert block.native == {"_VariableFunctionsClass.quantile": 1}


def test_generators_in_any_order():
    a, b, c = steps(2), steps(2), steps(2)
    for g in (a, b, c, a, b):
        next(g)
    for g in (b, a):
        g.close()
        assert is_by_hand()
    del c  # collected, it ends too


def test_other_mode_entered_inside_the_block():
    def on_cpu():
        with torch.device("cpu"):
            yield

    with by_hand():
        g = on_cpu()
        next(g)
    assert _len_torch_function_stack() == 1 and not is_by_hand()
    assert list(g) == []


def test_block_whose_mode_is_popped_warns():
    mode = torch.overrides.BaseTorchFunctionMode()
    mode.__enter__()
    with pytest.warns(UserWarning, match="may have run natively"), by_hand():
        mode.__exit__(None, None, None)
    torch.overrides._pop_mode()


def test_interleaved_tasks():
    async def task(first, then):
        with by_hand() as block:
            assert is_by_hand()
            await asyncio.sleep(first)
            assert is_by_hand()
            native_call()
            await asyncio.sleep(then)
            assert is_by_hand()
        return block.native["_VariableFunctionsClass.quantile"]

    async def all_of_them():
        return await asyncio.gather(task(0, 0.02), task(0.01, 0), task(0.005, 0.03))

    assert min(asyncio.run(all_of_them())) >= 1


def test_one_block_in_several_threads():
    block, right = by_hand(), []

    def run():
        for _ in range(50):
            with block:
                right.append(is_by_hand())
            right.append(not is_by_hand())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(right) and len(right) == 400


def test_block_that_ends_in_another_thread():
    g = steps(2)
    next(g)
    thread = threading.Thread(target=g.close)
    thread.start()
    thread.join()
    assert not is_by_hand()
    with by_hand():
        assert is_by_hand()


def test_native_calls_are_counted_across_nested_blocks():
    with by_hand() as outer:
        native_call()
        with by_hand() as inner:
            native_call()
        native_call()
    with by_hand() as other:
        native_call()
    assert inner is outer and outer.native == {"_VariableFunctionsClass.quantile": 3}
    assert other.native == {"_VariableFunctionsClass.quantile": 1}


def test_strict_applies_to_its_own_block():
    with by_hand() as outer:
        with pytest.raises(NotByHand), by_hand(strict=True), by_hand():
            native_call()
        native_call()
    assert outer.native == {"_VariableFunctionsClass.quantile": 2}  # once before it was refused


def test_in_place_calls_without_a_twin_are_counted():
    x = torch.ones(2, requires_grad=True)
    with by_hand() as block:
        (x * 1).scatter_reduce_(0, torch.tensor([0]), x, "prod")
    assert block.native == {"TensorBase.scatter_reduce_": 1}


def test_gradient_taken_in_the_block_is_not_counted():
    x = torch.ones(3, requires_grad=True)
    with by_hand(strict=True):
        (g,) = torch.autograd.grad(x.exp().sum(), x, create_graph=True)
        assert chapter14.audit(g.sin()).native == {}
