"""What people do with models: compile, distribute, checkpoint, scale and step them. Each beside native."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.autograd import grad
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from chapter14 import audit, convert

pytestmark = pytest.mark.slow


def drawn(*shape: int, seed: int = 14) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def convnet() -> torch.nn.Sequential:
    torch.manual_seed(14)
    nn = torch.nn
    layers = [nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 5)]
    return nn.Sequential(*layers).double()


def pair() -> tuple[torch.nn.Module, torch.nn.Module]:
    native = convnet()
    return convert(native), native


def images(n: int = 2) -> Tensor:
    return drawn(n, 3, 11, 11)


def there_and_back(f, model, x):
    """Output, and gradients of x and of the parameters."""
    torch.manual_seed(0)
    x = x.detach().requires_grad_()
    x_out = f(x)
    return x_out, *grad(x_out.square().mean(), [x, *model.parameters()])


# torch.compile


def resnet():
    from torchvision import models

    return models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)


def vit():
    from torchvision import models

    return models.VisionTransformer(32, 16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=10)


@pytest.mark.parametrize("make", [resnet, vit])
def test_compile(make):
    torch._dynamo.reset()
    torch.manual_seed(14)
    native = make().double()
    model = convert(native)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = drawn(2, 3, 32, 32)
    assert_close(there_and_back(compiled, model, x), there_and_back(native, native, x))


# torch.distributed


def shard(model: torch.nn.Sequential) -> torch.nn.Module:
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for layer in (model[0], model[2], model[5]):
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def run(rank: int, file: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    try:
        for distribute in (DistributedDataParallel, shard):
            ours, native = pair()
            model = distribute(ours)
            assert audit(model(images())).native.keys() <= {"RegisterPostBackwardFunctionBackward"}
            descend(model, images(4)[2 * rank : 2 * rank + 2])
            descend(native, images(4))
            for p, q in zip(model.parameters(), native.parameters(), strict=True):
                assert_close(p.full_tensor() if distribute is shard else p, q)
    finally:
        dist.destroy_process_group()


def descend(model: torch.nn.Module, x: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def test_on_two_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    mp.spawn(run, (str(tmp_path / "store"),), nprocs=2)


# what is kept, and in what precision


@pytest.mark.parametrize("reentrant", [False, True], ids=["hooks", "reentrant"])
def test_checkpoint(reentrant):
    model, native = pair()
    for f in (
        lambda x: model[3:](checkpoint(model[:3], x, use_reentrant=reentrant)),
        lambda x: checkpoint_sequential(model, 2, x, use_reentrant=reentrant),
    ):
        results = []
        for call, m in ((f, model), (native, native)):
            m.zero_grad()
            x = images().requires_grad_()
            x_out = call(x)
            x_out.square().mean().backward()
            results.append((x_out, x.grad, [p.grad for p in m.parameters()]))
        assert_close(*results)


def test_network_that_checkpoints_itself():
    from torchvision import models

    torch.manual_seed(14)
    native = models.densenet121(weights=None, memory_efficient=True, num_classes=10).double()
    results = []
    for model in (convert(native), native):
        x = drawn(2, 3, 32, 32).requires_grad_()
        torch.manual_seed(0)
        x_out = model(x)
        x_out.square().mean().backward()
        results.append((x_out, x.grad, [p.grad for p in model.parameters()], dict(model.named_buffers())))
    assert_close(*results, rtol=1e-6, atol=1e-9)


def test_mixed_precision():
    results = []
    for model in pair():
        model.float()
        scaler, optimizer = torch.amp.GradScaler("cpu"), torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                x_out = model(images().float())
                J = x_out.float().square().mean()
            assert x_out.dtype == torch.bfloat16
            scaler.scale(J).backward()
            scaler.step(optimizer)
            scaler.update()
        results.append(([p.detach() for p in model.parameters()], [p.grad for p in model.parameters()]))
        assert scaler.get_scale() == 65536
    assert_close(*results, rtol=2e-2, atol=2e-3)


def test_mixed_precision_skips_an_overflowed_step():
    model, _ = pair()
    before = copy.deepcopy(model.state_dict())
    scaler, optimizer = torch.amp.GradScaler("cpu"), torch.optim.SGD(model.parameters(), lr=0.1)
    scaler.scale(model(images() * torch.inf).nansum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert_close(model.state_dict(), before)
    assert scaler.get_scale() == 32768


# torch.func


def test_functional_call():
    model, native = pair()
    others = {name: p.detach() + 1 for name, p in native.named_parameters()}
    for m in (model, native):
        assert m[0].weight is dict(m.named_parameters())["0.weight"]
    assert_close(*(torch.func.functional_call(m, others, images()) for m in (model, native)))
    gs = [torch.func.grad(lambda theta, m=m: J_of(m, theta, images()))(others) for m in (model, native)]
    assert_close(*gs)


def J_of(model, theta, x):
    return torch.func.functional_call(model, theta, x).square().mean()


def test_gradients_per_sample():
    results = []
    for model in pair():
        theta = {name: p.detach() for name, p in model.named_parameters()}

        def J(theta, x, model=model):
            return J_of(model, theta, x[None])

        results.append(torch.func.vmap(torch.func.grad(J), (None, 0))(theta, images(3)))
    assert_close(*results)


# optimizers, hooks, second derivatives


@pytest.mark.parametrize("way", ["foreach", "fused"])
def test_adam(way):
    results = []
    for model in pair():
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, **{way: True})
        for _ in range(3):
            optimizer.zero_grad()
            model(images()).square().mean().backward()
            optimizer.step()
        results.append(list(model.parameters()))
    assert_close(*results)


def test_hooks_on_parameters_and_tensors():
    results = []
    for model in pair():
        seen = []
        model[0].weight.register_hook(lambda g: g * 2)
        model[5].bias.register_hook(lambda g, seen=seen: seen.append(g.clone()))
        model[2].weight.register_post_accumulate_grad_hook(lambda p, seen=seen: seen.append(p.grad.clone()))
        x = images().requires_grad_()
        h = model[0](x)
        h.retain_grad()
        h.register_hook(lambda g: g + 1)
        model[1:](h).square().mean().backward()
        results.append((seen, h.grad, x.grad, [p.grad for p in model.parameters()]))
    assert_close(*results)


def test_retain_graph():
    for model in pair():
        x = images().requires_grad_()
        J = model(x).square().mean()
        J.backward(retain_graph=True)
        once = x.grad.clone()
        J.backward()
        assert_close(x.grad, 2 * once)
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            J.backward()


def test_gradient_penalty():
    results = []
    for model in pair():
        x = images().requires_grad_()
        x_out = model(x)
        (g,) = grad(x_out.sum(), x, create_graph=True)
        penalty = (g.flatten(1).norm(dim=1) - 1).square().mean()
        (x_out.mean() + penalty).backward()
        results.append((penalty, [p.grad for p in model.parameters() if p.grad is not None]))
    assert_close(*results)


def test_these_networks_are_by_hand():
    for make in (convnet, vit):
        model = convert(make().double())
        x = images() if make is convnet else drawn(2, 3, 32, 32)
        assert audit(model(x)).native == {}
