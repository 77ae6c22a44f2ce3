"""Another network looks at what is drawn with no option but the class or the sentence: which class does it see?

    pip install '.[test]' && python scripts/recognition.py --out recognition
    python scripts/recognition.py --out recognition --lucent          # lucent's defaults beside it, in the same time
    python scripts/recognition.py --out recognition --model embedded  # the embedded network's twelve sentences

EfficientNet-Lite1 is the judge, on whose gradient no picture was drawn. Of `--model imagenet`, twenty classes are drawn
at random, but for those of `TUNED`, on which the defaults were chosen, with 17 others that docs/recipe.md names; each
with seeds 0 and 1. The script prints the goals beside the figures. A judge's word is not a person's: look at the
sheets.
"""

from __future__ import annotations

import argparse
import functools
import random
import time
from collections.abc import Callable, Sequence
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
#: ImageNet's classes of the embedded network's labels that are not classes of ImageNet themselves.
KINDS = {"cat": range(281, 286), "dog": range(151, 269)}
GOALS = {
    "imagenet": "first word for 36 of 40, among the first five for 38 of 40, 60 s a picture",
    "embedded": "first word for 12 of 24, among the first five for 18 of 24",
}

Draw = Callable[[int, int], Tensor]


class Judge:
    """(picture, classes) → (probability, rank of the most probable of the classes, the judge's first word)."""

    def __init__(self) -> None:
        self.network = load_efficientnet_lite(1)

    def __call__(self, picture: Image.Image, classes: Sequence[int]) -> tuple[float, int, str]:
        side = self.network.size
        x = np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC))
        with torch.no_grad():
            p = self.network(torch.from_numpy(x / 127.5 - 1).float().permute(2, 0, 1)[None]).softmax(1)[0]
        best = p[list(classes)].max()
        return best.item(), int((p > best).sum()), self.network.labels[int(p.argmax())]


def ours(network: Pretrained, size: int | None, steps: int | None) -> Draw:
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
    parser.add_argument("--model", choices=GOALS, default="imagenet")
    parser.add_argument("--classes", type=int, nargs="+", help="by number, instead of the twenty, or the twelve")
    parser.add_argument("--seeds", type=int, default=2, help="how many (2)")
    parser.add_argument("--seed", type=int, default=0, help="the first (0)")
    parser.add_argument("--size", type=int, help="of the pictures, instead of the network's")
    parser.add_argument("--steps", type=int, help="instead of the default")
    parser.add_argument("--lucent", action="store_true", help="lucent, in as many steps as the same time allows")
    options = parser.parse_args()
    if options.lucent and options.model != "imagenet":
        parser.error("--lucent: lucent draws classes, and reads no sentences; give it --model imagenet.")
    options.out.mkdir(parents=True, exist_ok=True)
    network, judge = load_network(options.model), Judge()
    draws = {"chapter14": ours(network, options.size, options.steps)}
    if options.model == "imagenet":
        targets = {i: [i] for i in options.classes or CLASSES}
    else:
        labels = {i: network.labels[i] for i in options.classes or range(len(network.labels))}
        targets = {i: KINDS.get(name) or [judge.network.class_index(name)] for i, name in labels.items()}
    if options.lucent:
        peer = functools.partial(lucent, network, options.size or network.size)
        a, b = (seconds(peer(n)) for n in (2, 10))
        steps = round(seconds(draws["chapter14"]) / ((b - a) / 8))
        print(f"lucent has {steps} steps", flush=True)
        draws["lucent"] = peer(steps)
    for name, draw in draws.items():
        pictures, captions, ranks, took = [], [], [], 0.0
        for i, classes in targets.items():
            for seed in range(options.seed, options.seed + options.seeds):
                begin = time.process_time()
                x = draw(i, seed)
                took += time.process_time() - begin
                picture = to_image(x, judge.network.size)
                picture.save(options.out / f"{name}_{i}_{seed}.png")
                p, rank, word = judge(picture, classes)
                pictures, captions, ranks = [*pictures, picture], [*captions, network.labels[i]], [*ranks, rank]
                said = "" if rank == 0 else f"; it would say {word}"
                print(f"{name}: {network.labels[i]}, seed {seed}: {p:.2f}, rank {rank}{said}", flush=True)
                save_image(contact_sheet(pictures, captions, 8), options.out / f"{name}.png")
        n, first, five = len(ranks), sum(rank == 0 for rank in ranks), sum(rank < 5 for rank in ranks)
        print(f"{name}: first word for {first} of {n}, among the first five for {five} of {n}, ", end="")
        print(f"{took / n:.0f} s of processor a picture")
    print(f"goal: {GOALS[options.model]}")


if __name__ == "__main__":
    main()
