"""`chapter14 visualize`: a sentence, a class, a channel or a neuron in, a picture out; or every channel of a layer."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops

from ..conversion.audit import audit
from ..files import OVERWRITE, NotWritten, alone, escaped
from ..models.load import load_network
from ..models.pretrained import Pretrained
from ..visualization.activations.hooks import is_out_of_memory
from ..visualization.activations.layers import layers, table
from ..visualization.optimization.descent import DescentStep
from ..visualization.optimization.optimize import Visualization, number_of_steps, visualize
from ..visualization.output import animation, provenance, quality, render
from ..visualization.output.provenance import Provenance
from .page import write_page
from .shared import picture_options
from .shared.distributed import barrier, rank, world_size
from .shared.options import (
    RequestedObjective,
    add_picture_arguments,
    command_words,
    requested_objectives,
    shell_command,
)
from .shared.trust import MAX_SIDE, TRUST_HELP, check_trust, parse_command
from .shared.validation import load_second_network, validate_outputs

EXAMPLES = """
examples:
  chapter14 visualize "a photo of a cat"
  chapter14 visualize "a photo of a dog" "a blurry photo of a church" --count 4 --page pictures.html
  chapter14 visualize --class parachute --film parachute.gif
  chapter14 visualize --layer image.scales.1.1 --channels all --image fourier --decorrelated --photos ~/photographs
  chapter14 visualize --layer image.scales.2 --neuron 3,2,2 --seed 5 --out neuron.png
  chapter14 visualize --model torchvision:resnet50 --layer layer4 --channel 12 --size 224 --robust
  chapter14 visualize --model open_clip:ViT-B-32 --weights openai "a photo of a cat"
  chapter14 visualize --list torchvision:resnet50
  torchrun --nproc-per-node 4 -m chapter14 visualize --layer image.scales.1.1 --channels all

Several pictures are written one by one into a folder, with how they were drawn, and as one sheet.
"""


SMALL = 144  # pixels, of a picture in a sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    add_picture_arguments(parser)
    say = parser.add_argument_group("where it goes").add_argument
    say("--out", type=Path, help="where it is written (pictures/NAME.png)")
    say("--height", type=int, default=480, help="of one picture in the file, in pixels (480; 144 in a sheet)")
    say("--columns", type=int, default=8, help="of a sheet (8)")
    say("--film", type=Path, metavar="FILE", help="the descent, as .gif, .webp or .mp4")
    say("--page", type=Path, metavar="FILE", help="one HTML file that shows it all")
    say("--photos", type=Path, metavar="FOLDER", help="beside each picture, the photographs that fit it most and least")
    say("--report", action="store_true", help="how good the pictures are, in numbers")
    say("--second", metavar="MODEL", help="in the report, what this network says of them")
    say("--second-weights", metavar="WEIGHTS", help="of it, as --weights")
    say("--history", action="store_true", help="print J at every step")
    say("--resume", action="store_true", help="go on where the same command was interrupted")
    say("--again", type=Path, metavar="PICTURE", help="draw a picture once more, as it says that it was drawn")
    say("--trust", action="store_true", help=f"with --again: {TRUST_HELP}")
    say("--overwrite", action="store_true", help=OVERWRITE)
    say("--list", metavar="MODEL", help="the layers of a network, and their shapes")


def run(options: argparse.Namespace) -> int:
    """What the command does: 0; 130 where it was interrupted; or an error.

    Raises:
        ValueError, IndexError, OSError: what was asked for is not there; said in the words of the call.
    """
    if options.list is not None:
        random = "random" if ":" in options.list else None
        network = load_network(options.list, options.weights or random)
        print(escaped(table(layers(network, picture_options.picture_size(options, network))), keep="\n"))
        return 0
    if options.again is not None:
        return _again(options)
    network = load_network(options.model, options.weights, options.device)
    asked = requested_objectives(options, network)
    second = load_second_network(options, asked)
    title = asked[0].objective.name if len(asked) == 1 else _all(options)
    out = options.out or Path("pictures") / f"{_slug(title)}.png"
    paths = _paths(asked, options, out)
    drawing = Drawing(network, asked[rank() :: world_size()], paths[rank() :: world_size()], options, out, second)
    pictures = [path for each in paths for path in each]
    with alone(drawing.checkpoint):
        validate_outputs(options, out, drawing.bytes, pictures, drawing.checkpoint, every=pictures == [out])
        try:
            if drawing.asked:
                drawing.write(drawing.draw())
        except KeyboardInterrupt:
            drawing.put_down()
            return 130
        except NotWritten as error:
            raise drawing.kept(error) from error
        barrier()
        try:
            if rank() == 0:
                _put_together(pictures, title, options, out)
        except NotWritten as error:
            raise drawing.kept(error) from error
        drawing.checkpoint.unlink(missing_ok=True)
    return 0


def _put_together(paths: Sequence[Path], title: str, options: argparse.Namespace, out: Path) -> None:
    """The sheet and the page of all pictures."""
    if len(paths) > 1:
        _write_sheet(paths, options.layer, options.columns, out)
    if options.page:
        write_page(
            options.page, [(provenance.read_provenance(path), path) for path in paths], options.photos, 6, title, None
        )
        print(escaped(f"The page is {options.page}."))
    several = f"The pictures are in {out.with_suffix('')}, and all in {out}."
    print(escaped(f"The picture is {out}." if len(paths) == 1 else several))


class Drawing:
    """What is drawn by one command, or by one of several processes of it."""

    def __init__(
        self,
        network: Pretrained,
        asked: Sequence[RequestedObjective],
        paths: Sequence[Sequence[Path]],
        options: argparse.Namespace,
        out: Path,
        second: Pretrained | None = None,
    ):
        self.network, self.asked, self.paths, self.options, self.out = network, asked, paths, options, out
        self.second = second
        self.last: DescentStep | None = None
        self.by_hand = ""
        self.film = animation.Film(max(options.steps // 40, 1)) if options.film else None
        self.call: dict[str, Any] = {
            "count": options.count,
            "seed": options.seed,
            "steps": options.steps,
            "cycles": picture_options.parse_cycles(options),
            "size": picture_options.picture_size(options, network),
            "image": picture_options.make_image(options),
            "start": picture_options.start_picture(options, network),
            "way": options.way,
            "transforms": picture_options.make_transforms(options),
            "through_relu": options.through_relu,
            "batch": options.batch,
            "precision": torch.bfloat16 if options.bf16 else None,
            "compile": options.compile,
        }

    @property
    def bytes(self) -> int:
        """Of all the pictures as they are drawn, which a checkpoint keeps: float32."""
        H, W = self.call["size"]
        return 4 * len(self.asked) * self.options.count * self.call["image"].channels * H * W

    @property
    def checkpoint(self) -> Path:
        return self.out.with_suffix(f".{rank()}.part" if world_size() > 1 else ".part")

    def kept(self, error: NotWritten) -> NotWritten:
        """The error, and where what is drawn is in spite of it."""
        if not self.checkpoint.is_file():
            return error
        return NotWritten(f"{error}. What is drawn is in {self.checkpoint}: the same command with --resume goes on.")

    def draw(self) -> Visualization:
        """With a bar that grows. A film of what an earlier command has drawn to its end is drawn once more."""
        drawn = self._drawn(self.options.resume)
        return self._drawn(False) if self.film and not self.film.batches else drawn

    def _drawn(self, resume: bool) -> Visualization:
        from tqdm import tqdm

        options, name = self.options, " | ".join(asked.objective.name for asked in self.asked)
        pictures = len(self.asked) * options.count
        steps = options.steps if options.start else number_of_steps(options.steps, self.call["cycles"])
        name = escaped(name if len(name) < 50 else f"{name[:50]}...")
        with tqdm(total=steps * pictures, desc=name, file=sys.stderr) as bar:

            def on_step(step: DescentStep) -> None:
                self.last = step
                self.by_hand = self.by_hand or f"{audit(step.J).fraction:.0%}"
                if self.film:
                    self.film(step)
                bar.set_postfix(J=f"{step.J.mean().item():.3f}", refresh=False)
                bar.update(len(step.J))

            return visualize(
                self.network,
                [asked.objective for asked in self.asked],
                checkpoint=self.checkpoint,
                resume=resume,
                on_step=on_step,
                **self.call,
            )

    def put_down(self) -> None:
        """What there is of an interrupted descent."""
        if self.last is None:
            print("Interrupted before the first step.", file=sys.stderr)
            return
        images = [render.to_image(x, self.options.height) for x in self.last.x.clamp(-1, 1)]
        shown = (
            images[0] if len(images) == 1 else render.contact_sheet(images, [""] * len(images), self.options.columns)
        )
        if provenance.is_own_image(beside := self.out.with_suffix(".json")):
            beside.unlink()  # it is of another picture
        render.save_image(shown, self.out)
        goes_on = f"Interrupted: {self.out} is what there is; the same command with --resume goes on."
        print(escaped(goes_on), file=sys.stderr)

    def write(self, drawn: Visualization) -> None:
        """Each picture with its record."""
        options, each = self.options, [asked for asked in self.asked for _ in range(self.options.count)]
        measured = self._measured(drawn, each)
        commands = [
            ["visualize", *command_words(options, {} if options.diverse else asked.alone | {"count": 1, "seed": seed})]
            for asked in self.asked
            for seed in range(options.seed, options.seed + options.count)
        ]
        kept = provenance.describe(
            drawn,
            self.network,
            [asked.objective for asked in self.asked],
            self.call,
            model=options.model,
            commands=commands,
            quality=measured,
        )
        pictures = map(render.importance_to_alpha, drawn.x, drawn.importance) if options.importance else drawn.x
        for its, x, path in zip(kept, pictures, (path for each in self.paths for path in each), strict=True):
            provenance.save_with_provenance(render.to_image(x, options.height), path, its)
        if self.film:
            self.film.save(options.film, options.height if len(each) == 1 else SMALL, options.columns)
            print(escaped(f"The film is {options.film}."))
        self._say(drawn, kept)

    def _measured(self, drawn: Visualization, each: Sequence[RequestedObjective]) -> list[dict[str, float | None]]:
        if not self.options.report:
            return []
        import dataclasses

        found = quality.measure_quality(self.network, [asked.bare for asked in each], drawn.x, self.second)
        return [dataclasses.asdict(its) for its in found]

    def _say(self, drawn: Visualization, kept: Sequence[Provenance]) -> None:
        if self.options.history:
            for i, J in enumerate(drawn.history.mean(1).tolist()):
                print(f"{i:4d}  J {J: .6f}")
        by_name: dict[str, list[Provenance]] = {}
        for its in kept:
            by_name.setdefault(its.objective, []).append(its)
        for name, those in list(by_name.items())[:40]:
            first, last = (sum(its.history[i] for its in those) / len(those) for i in (0, -1))
            went = "rose" if last > first else "fell"
            print(f"{escaped(name)}: J {went} from {first:.4f} to {last:.4f} in {len(drawn.history)} steps.")
        if self.by_hand:
            print(f"{self.by_hand} of the gradient's nodes are by hand.")
        if dead := [its.objective for its in kept if not its.alive]:
            names, helped = escaped(", ".join(dict.fromkeys(dead))), self.options.through_relu
            print(
                f"Dead after --through-relu {helped}, and so noise: {names}. More steps may wake them."
                if helped
                else f"Dead at the start, and so noise: {names}. --through-relu may wake them."
            )
        if self.options.report:
            print(quality.quality_table({"": [(f"{its.objective}, seed {its.seed}", its.quality) for its in kept]}))


def _again(options: argparse.Namespace) -> int:
    """Draws what a picture says of itself, as far as it is trusted."""
    its, name = provenance.read_provenance(options.again), str(options.again)
    if others := command_words(options, {"device": None}):
        raise ValueError(f"--again draws a picture as it was drawn: {' '.join(others)} cannot be said of it.")
    if its.command[:1] != ["visualize"]:
        raise ValueError(f"{name}: no command drew it.")
    read = parse_command(its.command, name)
    height = _height(options.again)
    out = options.out or options.again.with_stem(f"{options.again.stem}_again")
    if out.absolute() == options.again.absolute():
        raise ValueError(f"{out}: it is the picture that is drawn again, and would be compared with itself.")
    check_trust(read, name, options.trust)
    asked = vars(read)
    goes = {"out": out, "height": height, "again": None, "device": options.device or asked["device"]}
    then = argparse.Namespace(**vars(options) | asked | goes)
    print(shell_command(its.command[1:]))
    try:
        if status := run(then):
            return status
    except (ValueError, IndexError, ArithmeticError, FileNotFoundError, RuntimeError) as error:
        if isinstance(error, NotImplementedError) or is_out_of_memory(error):
            raise
        raise ValueError(f"{name}: what its record asks for cannot be drawn. {error}") from error
    network, drawn = load_network(then.model, then.weights), out
    if then.count > 1:  # pictures that differ from each other are drawn together
        all_of_them = sorted(out.with_suffix("").glob(f"*_seed_{its.seed}.png"))
        if not all_of_them:
            raise ValueError(f"{name}: its seed, {its.seed}, is none of those that its command draws.")
        drawn = all_of_them[0]
    print(escaped(_compared(options.again, drawn, provenance.changes_since(its, network))))
    return 0


def _compared(then: Path, now: Path, changed: Sequence[str]) -> str:
    a, b = render.open_image(then), render.open_image(now)
    why = "; ".join(changed) or "a batch of another size rounds otherwise"
    if (a.size, a.mode) != (b.size, b.mode):
        return f"It differs from {then}, which is {a.width} x {a.height} {a.mode}: {b.width} x {b.height} {b.mode}."
    difference = ImageChops.difference(a, b)
    if difference.getbbox(alpha_only=False) is None:
        return f"It is {then}, to the last byte."
    most = max(high for _, high in np.atleast_2d(difference.getextrema()).tolist())
    return f"It differs from {then} by {most} of 255 at most: {why}."


def _height(path: Path) -> int:
    if path.suffix == ".json":
        raise ValueError(f"{path}: --again takes the picture itself.")
    height = render.open_image(path).height
    if height > MAX_SIDE:
        raise ValueError(f"{path}: it is {height} pixels high, and would be drawn again up to {MAX_SIDE}.")
    return height


def _paths(asked: Sequence[RequestedObjective], options: argparse.Namespace, out: Path) -> list[list[Path]]:
    """Where each picture goes: of each objective, one for each seed."""
    if len(asked) * options.count == 1:
        return [[out]]
    names = [f"{i:04d}_{_slug(its.objective.name)}" for i, its in enumerate(asked)]
    seeds = range(options.seed, options.seed + options.count)
    return [[out.with_suffix("") / f"{name}_seed_{seed}.png" for seed in seeds] for name in names]


def _write_sheet(paths: Sequence[Path], layer: str | None, columns: int, out: Path) -> None:
    """`layer`: that all of them are of, and that is not said below each."""
    images, labels = [], []
    for path in paths:
        its = provenance.read_provenance(path)
        image = render.open_image(path)
        size = (max(round(SMALL * image.width / image.height), 1), SMALL)
        images.append(image.resize(size, Image.Resampling.BICUBIC))
        name = its.objective.replace(f" of {layer}", "") if layer else its.objective
        labels.append(escaped(name if its.alive else f"dead: {name}"))  # at its end it might not be seen
    render.save_image(render.contact_sheet(images, labels, columns), out)


def _all(options: argparse.Namespace) -> str:
    if options.prompt:
        return " and ".join(options.prompt)
    return f"class {options.label}" if options.label is not None else f"{options.model} {options.layer}"


def _slug(name: str) -> str:
    slug = re.sub(r"\W+", "_", name.lower()).strip("_")[:80]
    return slug.encode()[:160].decode(errors="ignore") or "picture"  # of a file, a name has 255 bytes at most
