"""Another network looks at what is drawn from `--model imagenet` with no option but the class: which class does it see?

    pip install '.[test]' && python scripts/recognition.py --out recognition
    python scripts/recognition.py --out recognition --lucent        # lucent's defaults beside it, in the same time

EfficientNet-Lite1 is the judge, on whose gradient no picture was drawn. Twenty classes are drawn at random from
ImageNet's, but for those of `TUNED`, on which the defaults were chosen; each with seeds 0 and 1. GOAL: its first word
for 9 in 10 pictures, among its first five for 19 in 20, with at most 60 seconds a picture on two cores. A judge's word
is not a person's: look at the sheets.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from chapter14.models.imagenet import load_efficientnet_lite
from chapter14.models.load import load_network
from chapter14.models.pretrained import Pretrained
from chapter14.visualization import label, visualize
from chapter14.visualization.output.render import contact_sheet, save_image, to_image

TUNED = 281, 207, 920, 954, 632, 775, 541  # tabby, golden retriever, traffic light, banana, loudspeaker, sarong, drum
CLASSES = random.Random(0).sample([i for i in range(1000) if i not in TUNED], 20)
GOAL = "first word for 36 of 40, among the first five for 38 of 40, 60 s a picture"

Draw = Callable[[int, int], Tensor]


class Judge:
    """(picture, class) → (probability, rank of the class, the judge's first word)."""

    def __init__(self) -> None:
        self.network = load_efficientnet_lite(1)

    def __call__(self, picture: Image.Image, i: int) -> tuple[float, int, str]:
        side = self.network.size
        x = np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))
        with torch.no_grad():
            p = self.network(torch.from_numpy(x / 127.5 - 1).float().permute(2, 0, 1)[None]).softmax(1)[0]
        return p[i].item(), int((p > p[i]).sum()), self.network.labels[int(p.argmax())]


def ours(network: Pretrained, size: int, steps: int | None) -> Draw:
    return lambda i, seed: visualize(network, label(i), seed=seed, size=size, steps=steps).x[0]


class Normalized(nn.Module):
    """A network of entries from -1 to 1, for lucent, which normalizes as torchvision does."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.labels = model, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (x.new_tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        return self.labels(self.model(2 * (x * std + mean) - 1))


def lucent(network: Pretrained, size: int, steps: int) -> Draw:
    from lucent.optvis import objectives, param, render

    model = Normalized(network.model).eval()

    def draw(i: int, seed: int) -> Tensor:
        for each in (torch.manual_seed, np.random.seed, random.seed):
            each(seed)
        [image] = render.render_vis(
            model, objectives.channel("labels", i), lambda: param.image(size), thresholds=(steps,), progress=False,
            show_image=False,
        )  # fmt: skip
        return torch.from_numpy(image[0]).permute(2, 0, 1) * 2 - 1

    return draw


def seconds(draw: Draw) -> float:
    begin = time.process_time()
    draw(0, 0)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the pictures")
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES, help="by number")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--steps", type=int, help="instead of the default")
    parser.add_argument("--lucent", action="store_true", help="lucent, in as many steps as the same time allows")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    network, judge = load_network("imagenet"), Judge()
    draws = {"chapter14": ours(network, options.size, options.steps)}
    if options.lucent:
        a, b = (seconds(lucent(network, options.size, n)) for n in (2, 10))
        steps = round(seconds(draws["chapter14"]) / ((b - a) / 8))
        print(f"lucent has {steps} steps", flush=True)
        draws["lucent"] = lucent(network, options.size, steps)
    for name, draw in draws.items():
        pictures, captions, ranks, took = [], [], [], 0.0
        for i in options.classes:
            for seed in range(options.seeds):
                begin = time.process_time()
                x = draw(i, seed)
                took += time.process_time() - begin
                picture = to_image(x, options.size)
                picture.save(options.out / f"{name}_{i}_{seed}.png")
                p, rank, word = judge(picture, i)
                pictures, captions, ranks = [*pictures, picture], [*captions, network.labels[i]], [*ranks, rank]
                said = "" if rank == 0 else f"; it would say {word}"
                print(f"{name}: {network.labels[i]}, seed {seed}: {p:.2f}, rank {rank}{said}", flush=True)
                save_image(contact_sheet(pictures, captions, 8), options.out / f"{name}.png")
        n, first, five = len(ranks), sum(rank == 0 for rank in ranks), sum(rank < 5 for rank in ranks)
        print(f"{name}: first word for {first} of {n}, among the first five for {five} of {n}, ", end="")
        print(f"{took / n:.0f} s of processor a picture")
    print(f"goal: {GOAL}")


if __name__ == "__main__":
    main()
