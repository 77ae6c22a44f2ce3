"""Train the small CLIP whose gradient draws, in our own layers: every derivative by hand, those of the gradient too.

    python scripts/train_clip.py PHOTOGRAPHS --out runs/first --minutes 90

PHOTOGRAPHS has photos96.zip and catfaces96.zip. A run is a folder: checkpoint.safetensors, from which the same command,
started again, goes on; clip.safetensors, the averaged weights, to use; and sheets of what the network draws.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch

from chapter14.models import clip_file
from chapter14.models.clip import CLIP, Config
from chapter14.models.pretrained import Pretrained
from chapter14.models.vocabulary import build_vocabulary, caption
from chapter14.training import checkpoint
from chapter14.training.alignment import AlignmentLoss, loss, noisy
from chapter14.training.batches import Batches, every_caption
from chapter14.training.photographs import ATTRIBUTES, read
from chapter14.visualization import visualize
from chapter14.visualization.output.render import contact_sheet, save_image, to_image


class Run:
    """Two models, the one that learns and its running mean, and whatever else a run goes on from."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.generator = options, torch.Generator().manual_seed(options.seed)
        self.batches = Batches(read(options.photographs, "train", size=48), self.generator)
        self.labels = self.batches.photographs.labels
        model = self.begin().to(options.device, memory_format=torch.channels_last)
        mean = copy.deepcopy(model).eval().requires_grad_(False)
        self.models = {"model": model, "mean": mean}
        groups = [[p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim <= 1]]
        self.optimiser = torch.optim.AdamW(
            [{"params": groups[0], "weight_decay": 0.01}, {"params": groups[1], "weight_decay": 0.0}], betas=(0.9, 0.98)
        )
        self.step, self.images, self.seconds = 0, 0, 0.0
        self.checkpoint = options.out / "checkpoint.safetensors"
        if self.checkpoint.exists():
            rest = checkpoint.load(self.checkpoint, self.models, self.optimiser, self.generator)
            self.step, self.images, self.seconds = rest["step"], rest["images"], rest["seconds"]
            print(f"going on from {self.checkpoint}, after {self.images} photographs", flush=True)

    def begin(self) -> CLIP:
        """A model with fresh parameters, or with those in a file."""
        torch.manual_seed(self.options.seed)
        if self.options.start:
            return clip_file.load_clip(self.options.start)[0].train().requires_grad_()
        return CLIP(Config(build_vocabulary(every_caption(self.labels), context=14)))

    def done(self) -> float:
        """How much of the budget is spent, from 0 to 1."""
        budget = self.options.images
        return self.images / budget if budget else self.seconds / (60 * self.options.minutes)

    def rate(self) -> float:
        """The learning rate: up in a straight line, and down as a cosine."""
        return self.options.rate * min(1, self.step / 150 + 0.02) * (0.515 + 0.485 * math.cos(math.pi * self.done()))

    def learn(self) -> AlignmentLoss:
        """One step of (14.9) on the parameters."""
        options, model = self.options, self.models["model"]
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        x, which = self.batches.draw(options.batch + options.clean)
        noisy_ones = noisy(x[: options.batch], self.generator)
        z = noisy_ones.z.contiguous(memory_format=torch.channels_last)
        parts = loss(
            model,
            x.to(options.device, memory_format=torch.channels_last),
            which.to(options.device),
            model.config.vocabulary.tokenize(self.batches.captions()).to(options.device),
            type(noisy_ones)(*(t.to(options.device) for t in (z, *noisy_ones[1:]))),
            torch.bfloat16 if options.bf16 else torch.float32,
        )
        self.optimiser.zero_grad()
        parts.J.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        self.optimiser.step()
        self.follow()
        self.step, self.images = self.step + 1, self.images + len(x)
        return parts

    @torch.no_grad()
    def follow(self) -> None:
        """The mean follows the model: exponentially, and over fewer steps at first."""
        self.models["model"].logit_scale.clamp_(0, math.log(100))
        decay = min(0.996, (self.step + 1) / (self.step + 15))
        for slow, fast in zip(self.models["mean"].parameters(), self.models["model"].parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)

    def put_down(self) -> None:
        """The checkpoint, the weights, and a sheet: six cats, and each label once, from one seed."""
        state = {"step": self.step, "images": self.images, "seconds": self.seconds}
        checkpoint.save(self.checkpoint, self.models, self.optimiser, self.generator, **state)
        model, out = self.models["mean"], self.options.out
        clip_file.save_clip(
            model, out / "clip.safetensors", labels=self.labels, attributes=list(ATTRIBUTES), training=state
        )
        network = Pretrained(model, model.config.size, tuple(self.labels))
        how = {"seed": 1, "steps": self.options.steps}
        drawn = [visualize(network, caption("cat"), count=6, **how).x]
        drawn += [visualize(network, caption(label), **how).x for label in self.labels]
        images = [to_image(x, 144) for x in torch.cat(drawn)]
        save_image(contact_sheet(images, ["cat"] * 6 + self.labels, 6), out / f"sheet_{self.images:08d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--start", type=Path, help="weights to begin with, instead of fresh ones")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=90.0, help="how long to train; the rate falls until then")
    budget.add_argument("--images", type=int, help="the same, in photographs")
    parser.add_argument("--batch", type=int, default=32, help="noisy photographs a step")
    parser.add_argument("--clean", type=int, default=12, help="clean photographs a step")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the learning rate, at its height")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between checkpoints, each with a sheet")
    parser.add_argument("--steps", type=int, default=60, help="of the first descent of a sheet's pictures (60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="compute the image tower in bfloat16")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train(Run(options))


def train(run: Run) -> None:
    began, spoken, saved = time.monotonic() - run.seconds, run.seconds, run.seconds
    while run.done() < 1:
        parts = run.learn()
        run.seconds = time.monotonic() - began
        if run.seconds - spoken > 20:
            spoken = run.seconds
            print(
                f"{run.done():4.0%}  {run.images} photographs, {run.images / run.seconds:.0f} a second  "
                f"J {parts.J:.3f}  cosine {parts.cosine:.3f}  clean {parts.clean:.3f}  noisy {parts.noisy:.3f}",
                flush=True,
            )
        if run.seconds - saved > 60 * run.options.every:
            saved = run.seconds
            run.put_down()
    run.put_down()
    print(f"the weights are in {run.options.out / 'clip.safetensors'}", flush=True)


if __name__ == "__main__":
    main()
