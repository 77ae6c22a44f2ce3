"""Steps per second of chapter14, other libraries, and a bare loop in plain PyTorch, on the same network and neuron.

    python scripts/benchmark_visualize.py                       # squeezenet1_1, all installed libraries
    python scripts/benchmark_visualize.py --networks resnet18 resnet50 vgg11 vit_b_16 --batches 1

Each runs in a separate process, alternating with the bare loop: a frozen network with random weights, a forward hook,
Adam on the pixels, no transforms, the whole network. Times are CPU seconds of the process, or wall-clock seconds with
several `--threads`; medians over repeats, as the speed relative to the bare loop. `_bf16` computes in bfloat16.
`chapter14_channels` draws one channel for each image of the batch; the bare loop and the other libraries draw them one
after the other. Libraries: `pip install torch-lucent torch-dreams faccent horama`; one that is not installed, or fails,
is listed with the reason.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

#: A layer of each network, in the middle.
LAYERS = {
    "squeezenet1_1": "features.10",
    "resnet18": "layer3",
    "resnet50": "layer3",
    "vgg11": "features.15",
    "vit_b_16": "encoder.layers.encoder_layer_6",
}
CHANNEL, SIZE = 10, 128
Run = Callable[[int], object]


def network(name: str) -> nn.Module:
    import torchvision

    torch.manual_seed(1)
    return torchvision.models.get_model(
        name, weights=None, **({"image_size": SIZE} if name.startswith("vit") else {})
    ).eval()


def mean_of_channel(x_l: Tensor) -> Tensor:
    return x_l[..., CHANNEL].mean() if x_l.ndim == 3 else x_l[:, CHANNEL].mean()


def bare(model: nn.Module, layer: str, batch: int) -> Run:
    model.requires_grad_(False)
    seen: dict[str, Tensor] = {}
    model.get_submodule(layer).register_forward_hook(lambda module, x, x_out: seen.update(x=x_out))
    x = (0.01 * torch.randn(batch, 3, SIZE, SIZE)).requires_grad_()
    optimiser = torch.optim.Adam([x], lr=0.05)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            model(x)
            (-mean_of_channel(seen["x"])).backward()
            optimiser.step()

    return run


def chapter14(model: nn.Module, layer: str, batch: int, precision: torch.dtype | None = None) -> Run:
    from chapter14.visualization import TRANSFORMS, Pixels, channel, visualize

    objective = channel(layer, CHANNEL)
    how = {"image": Pixels(), "transforms": TRANSFORMS, "cycles": (), "batch": batch, "precision": precision}
    return lambda steps: visualize(model, objective, count=batch, size=SIZE, steps=steps, **how)


def chapter14_channels(model: nn.Module, layer: str, batch: int, precision: torch.dtype | None = None) -> Run:
    """One channel of the layer for each image of the batch."""
    from chapter14.visualization import TRANSFORMS, Pixels, channel, visualize

    objectives = [channel(layer, i) for i in range(batch)]
    how = {"image": Pixels(), "transforms": TRANSFORMS, "cycles": (), "precision": precision}
    return lambda steps: visualize(model, objectives, size=SIZE, steps=steps, **how)


def lucent(model: nn.Module, layer: str, batch: int) -> Run:
    from lucent.optvis import objectives, param, render

    of_layer = objectives.channel(layer.replace(".", "_"), CHANNEL)
    return lambda steps: render.render_vis(
        model, of_layer, lambda: param.image(SIZE, batch=batch), thresholds=(steps,), progress=False, show_image=False
    )


def torch_dreams(model: nn.Module, layer: str, batch: int) -> Run:
    from torch_dreams import Dreamer
    from torch_dreams.batched_image_param import BatchedAutoImageParam

    dreamer = Dreamer(model, device="cpu", quiet=True)

    def run(steps: int) -> None:
        image = (
            {}
            if batch == 1
            else {"image_parameter": BatchedAutoImageParam(batch_size=batch, height=SIZE, width=SIZE, device="cpu")}
        )
        dreamer.render(
            layers=[model.get_submodule(layer)],
            width=SIZE,
            height=SIZE,
            iters=steps,
            custom_func=lambda x: -mean_of_channel(x[0]),
            **image,
        )

    return run


def faccent(model: nn.Module, layer: str, batch: int) -> Run:
    import matplotlib

    matplotlib.use("Agg")
    from faccent import objectives, param, render

    def run(steps: int) -> None:
        render.render_vis(
            model,
            objectives.channel(layer.replace(".", "_"), CHANNEL),
            parameterizer=param.fourier(device="cpu", img_size=(SIZE, SIZE), batch_size=batch),
            out_thresholds=[steps - 1],
            inline_thresholds=[],
            progress=False,
            nb_transforms=1,
            model_input_size=(SIZE, SIZE),
            img_size=(SIZE, SIZE),
            model_input_range=(-2, 2),
        )

    return run


def horama(model: nn.Module, layer: str, batch: int) -> Run:
    if batch > 1:
        raise NotImplementedError("it draws one picture at a time")
    import horama as its
    import horama.fourier_fv

    horama.fourier_fv.tqdm = lambda steps, **_: steps
    seen: dict[str, Tensor] = {}
    model.get_submodule(layer).register_forward_hook(lambda module, x, x_out: seen.update(x=x_out))

    def objective(x: Tensor) -> Tensor:
        model(x)
        return mean_of_channel(seen["x"])

    return lambda steps: its.fourier(
        objective, total_steps=steps, image_size=SIZE, model_input_size=SIZE, crops_per_iteration=6, device="cpu"
    )


THOSE: dict[str, Callable[[nn.Module, str, int], Run]] = {
    "chapter14": chapter14,
    "chapter14_bf16": functools.partial(chapter14, precision=torch.bfloat16),
    "chapter14_channels": chapter14_channels,
    "chapter14_channels_bf16": functools.partial(chapter14_channels, precision=torch.bfloat16),
    "lucent": lucent,
    "torch_dreams": torch_dreams,
    "faccent": faccent,
    "horama": horama,
}


def measure(who: str, name: str, batch: int, steps: int, repeats: int, threads: int) -> dict:
    """One of THOSE beside the bare loop, in this process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    now = time.process_time if threads == 1 else time.perf_counter
    os.chdir(tempfile.mkdtemp())  # some leave files behind
    model = network(name)
    # who draws different channels is held to the bare loop on one after the other, as its peers have to draw them
    one_by_one = batch if who.startswith("chapter14_channels") else 1
    run, reference = THOSE[who](model, LAYERS[name], batch), bare(network(name), LAYERS[name], batch // one_by_one)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reference(3)
    ratios = []
    for _ in range(repeats):
        a = now()
        reference(steps)
        b = now()
        run(steps)
        ratios.append(one_by_one * (b - a) / (now() - b))
    return {
        "ratio": statistics.median(ratios),
        "range": [min(ratios), max(ratios)],
        "peak": (peak - before) / 1024,
        "gradients": sum(p.grad is not None for p in model.parameters()),
        "hooks": sum(len(module._forward_hooks) for module in model.modules()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=LAYERS, default=["squeezenet1_1"])
    parser.add_argument("--those", nargs="+", choices=THOSE, default=list(THOSE))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--steps", type=int, default=60, help="of a call; by default as many as visualize takes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=3, metavar=("WHO", "NETWORK", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        who, name, batch = options.one
        print(json.dumps(measure(who, name, int(batch), options.steps, options.repeats, options.threads)))
        return
    print(
        f"{'network':14} {'batch':>5}  {'who':23} {'x bare':>6} {'range':>12} {'peak MB':>8} {'p.grad':>6} {'hooks':>5}"
    )
    for name in options.networks:
        for batch in options.batches:
            for who in options.those:
                print(f"{name:14} {batch:5}  {who:23} {_row(who, name, batch, options)}", flush=True)


def _row(who: str, name: str, batch: int, options: argparse.Namespace) -> str:
    """Runs in a separate process, so that one does not slow the next."""
    command = [sys.executable, __file__, "--one", who, name, str(batch)]
    for option in ("steps", "repeats", "threads"):
        command += [f"--{option}", str(getattr(options, option))]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})
    if ran.returncode:
        return f"failed: {(ran.stderr.strip().splitlines() or ['killed'])[-1][:150]}"
    r = json.loads(ran.stdout.splitlines()[-1])
    low, high = r["range"]
    return f"{r['ratio']:6.2f} {low:5.2f} - {high:4.2f} {r['peak']:8.0f} {r['gradients']:6} {r['hooks']:5}"


if __name__ == "__main__":
    main()
