"""Classifies the embedded network's pictures with an independent network, and compares with the prompts.

    python scripts/judge.py PHOTOGRAPHS --judge runs/judge.safetensors --minutes 20     # trains it if it does not exist
    python scripts/judge.py PHOTOGRAPHS --judge runs/judge.safetensors --attributes

The judge is a small residual network of torchvision's, converted (chapter14.convert), trained on the same photographs
as the embedded network and on nothing else, with cross entropy: it shares no weights, layers or loss with the embedded
network. It is weaker evidence than a person's judgement.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms import v2

import chapter14
from chapter14.models.load import load_network
from chapter14.models.vocabulary import caption
from chapter14.training.photographs import ATTRIBUTES, Photographs, read
from chapter14.visualization import visualize

SIZE = 64


def judge(labels: int) -> nn.Module:
    return chapter14.convert(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=labels), inplace=True)


def train(photographs: Photographs, minutes: float, seed: int = 0) -> nn.Module:
    """AdamW, one cycle of the learning rate, batches of 64 with random crops, flips, colours and blur."""
    torch.manual_seed(seed)
    model, labels = judge(len(photographs.labels)), photographs.labels
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    loss = chapter14.nn.CrossEntropyLoss(label_smoothing=0.1)
    change = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE, scale=(0.4, 1), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.3, 0.3, 0.3),
            v2.RandomGrayscale(0.1),
            v2.RandomApply([v2.GaussianBlur(5)], 0.2),
        ]
    )
    began, printed = time.monotonic(), 0.0
    for step in itertools.count():
        spent = (time.monotonic() - began) / (60 * minutes)
        if spent >= 1:
            return model.eval()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, step / 100 + 0.02) * (0.505 + 0.495 * math.cos(math.pi * spent))
        which = torch.randint(len(labels), (64,))
        whole = [photographs.whole[labels[i]] for i in which]
        x = torch.stack([change(pool[torch.randint(len(pool), ())]) for pool in whole])
        J = loss(model(_signed(x)), which)
        optimiser.zero_grad()
        J.backward()
        optimiser.step()
        if spent - printed > 0.1:
            printed = spent
            print(f"{spent:4.0%}  {64 * step} photographs  J {J.item():.3f}", flush=True)


def _signed(x: Tensor) -> Tensor:
    return x.float() / 127.5 - 1


@torch.no_grad()
def verdict(model: nn.Module, x: Tensor) -> Tensor:
    """Pictures x [B, 3, H, W], entries from -1 to 1 → the number of the label [B]."""
    return model(v2.functional.resize(x, [SIZE, SIZE], antialias=True)).argmax(1)


def accuracy(model: nn.Module, photographs: Photographs, each: int) -> float:
    right = [
        (verdict(model, photographs.centre(label, each)) == i).float().mean()
        for i, label in enumerate(photographs.labels)
    ]
    return torch.stack(right).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="the folder with photos96.zip")
    parser.add_argument("--judge", type=Path, required=True, help="its weights; trained, where they are not there")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long to train it")
    parser.add_argument("--model", default="embedded", help="whose pictures: a file that scripts/train_clip.py wrote")
    parser.add_argument("--seeds", type=int, default=5, help="of each prompt")
    parser.add_argument("--steps", type=int, default=60, help="of each picture's first descent")
    parser.add_argument("--attributes", action="store_true", help="every attribute of every label too")
    options = parser.parse_args()
    seen = read(options.photographs, "val", size=SIZE - 6)
    model = judge(len(seen.labels))
    if not options.judge.exists():
        model = train(read(options.photographs, "train", size=SIZE + 10), options.minutes)
        options.judge.parent.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), options.judge)
    model.load_state_dict(load_file(options.judge))
    model.eval()
    print(f"the judge is right on {accuracy(model, seen, 100):.0%} of photographs that it has not seen")
    network = load_network(options.model)
    total = right = 0
    for attribute in ATTRIBUTES if options.attributes else [""]:
        for i, label in enumerate(seen.labels):
            prompt = caption(label, attribute)
            answers = verdict(model, visualize(network, prompt, count=options.seeds, steps=options.steps).x)
            right, total = right + int((answers == i).sum()), total + len(answers)
            words = ", ".join(seen.labels[j] for j in answers.tolist() if j != i)
            print(
                f"{prompt:45} {int((answers == i).sum())} of {len(answers)}" + (f"   (else: {words})" if words else "")
            )
    print(f"{right} of {total} recognised: {right / total:.0%}")


if __name__ == "__main__":
    main()
