"""`chapter14 visualize`: draws a picture for a sentence, a class, a neuron, a channel, or all channels of a layer."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ImageChops

from ..conversion.audit import audit
from ..files import OVERWRITE, NotWritten, alone, escaped
from ..models.load import load_network
from ..models.pretrained import Pretrained
from ..visualization.activations.hooks import is_out_of_memory
from ..visualization.activations.layers import layers, table
from ..visualization.optimization.descent import DescentStep
from ..visualization.optimization.optimize import Visualization, number_of_steps, visualize
from ..visualization.output import animation, provenance, render
from ..visualization.output.provenance import Provenance
from ..visualization.output.quality import measure_quality, quality_table
from .page import NEAREST, write_page
from .shared.check_outputs import load_second_network, validate_outputs
from .shared.distributed import barrier, rank, world_size
from .shared.options import (
    RequestedObjective,
    add_picture_arguments,
    command_words,
    requested_objectives,
    shell_command,
)
from .shared.picture_options import make_recipe, picture_size, start_picture
from .shared.trust import MAX_SIDE, TRUST_HELP, check_trust, parse_command

EXAMPLES = """
examples:
  chapter14 visualize "a photo of a cat"
  chapter14 visualize "a photo of a dog" "a blurry photo of a church" --count 4 --page pictures.html
  chapter14 visualize --class parachute --film parachute.gif
  chapter14 visualize --model imagenet --class tabby "golden retriever" banana
  chapter14 visualize --layer image.stages.3.0 --channels all --image fourier --decorrelated --photos ~/photographs
  chapter14 visualize --layer image.stages.5 --neuron 3,2,2 --seed 5 --out neuron.png
  chapter14 visualize --model torchvision:resnet50 --layer layer4 --channel 12 --size 224 --robust
  chapter14 visualize --model open_clip:ViT-B-32 --weights openai "a photo of a cat"
  chapter14 visualize --list torchvision:resnet50
  torchrun --nproc-per-node 4 -m chapter14 visualize --layer image.stages.3.0 --channels all

Several pictures are written to a folder, each with its provenance, and to one contact sheet.
"""


NOISY = 0.7  # a picture with a larger correlation with its noise looks like it
THUMBNAIL = 144  # the height of a picture in a contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EXAMPLES
    add_picture_arguments(parser)
    add = parser.add_argument_group("output").add_argument
    add("--out", type=Path, help="the file (pictures/NAME.png)")
    add("--height", type=int, default=480, help=f"of the picture in the file (%(default)s; {THUMBNAIL} in a sheet)")
    add("--columns", type=int, default=8, help="of a contact sheet (%(default)s)")
    add("--film", type=Path, metavar="FILE", help="write the descent as .gif, .webp or .mp4")
    add("--page", type=Path, metavar="FILE", help="write one HTML file that shows everything")
    add("--photos", type=Path, metavar="FOLDER", help="on the page, show the photographs with extreme values")
    add("--report", action="store_true", help="print quality metrics of the pictures")
    add("--second", metavar="MODEL", help="in the report, another network's value of the objective")
    add("--second-weights", metavar="WEIGHTS", help="its weights, as --weights")
    add("--history", action="store_true", help="print J at every step")
    add("--resume", action="store_true", help="continue the same command after an interrupt")
    add("--again", type=Path, metavar="PICTURE", help="draw a picture again, from its provenance")
    add("--trust", action="store_true", help=f"with --again: {TRUST_HELP}")
    add("--overwrite", action="store_true", help=OVERWRITE)
    help = "print the layers of a network (--model's), and their shapes"
    add("--list", nargs="?", const="", metavar="MODEL", help=help)


def run(options: argparse.Namespace) -> int:
    """Returns 0; or 130 after an interrupt, with the unfinished pictures written."""
    if options.list is not None:
        name = options.list or options.model
        network = load_network(name, options.weights or ("random" if ":" in name else None))
        print(escaped(table(layers(network, picture_size(options, network))), keep="\n"))
        return 0
    if options.again is not None:
        return _draw_again(options)
    network = load_network(options.model, options.weights, options.device)
    requested = requested_objectives(options, network)
    second = load_second_network(options, requested)
    title = requested[0].objective.name if len(requested) == 1 else _title(options)
    out = options.out or Path("pictures") / f"{_slug(title)}.png"
    paths = _paths(requested, options, out)
    share = slice(rank(), None, world_size())
    drawing = Drawing(network, requested[share], paths[share], options, out, second)
    pictures = [path for each in paths for path in each]
    with alone(drawing.checkpoint):
        validate_outputs(options, out, drawing.bytes, pictures, drawing.checkpoint)
        try:
            try:
                if drawing.requested:
                    drawing.write(drawing.draw())
            except KeyboardInterrupt:
                drawing.write_interrupted()
                return 130
            barrier()
            if rank() == 0:
                _write_summary(pictures, title, options, out)
        except NotWritten as error:
            raise drawing.resumable(error) from error
        drawing.checkpoint.unlink(missing_ok=True)
    return 0


def _write_summary(paths: Sequence[Path], title: str, options: argparse.Namespace, out: Path) -> None:
    """The contact sheet and the page of all pictures."""
    if len(paths) > 1:
        _write_sheet(paths, options.layer, options.columns, out)
    if options.page:
        pictures = [(provenance.read_provenance(path), path) for path in paths]
        write_page(options.page, pictures, options.photos, NEAREST, title, None)
        print(escaped(f"The page is {options.page}."))
    several = f"The pictures are in {out.with_suffix('')}, and all in {out}."
    print(escaped(f"The picture is {out}." if len(paths) == 1 else several))


class Drawing:
    """The pictures that one process draws."""

    def __init__(
        self,
        network: Pretrained,
        requested: Sequence[RequestedObjective],
        paths: Sequence[Sequence[Path]],
        options: argparse.Namespace,
        out: Path,
        second: Pretrained | None = None,
    ):
        self.network, self.requested, self.options, self.out, self.second = network, requested, options, out, second
        self.paths = [path for each in paths for path in each]
        self.last: DescentStep | None = None
        self.by_hand = ""
        start = start_picture(options, network)
        self.recipe = make_recipe(options, network, [request.objective for request in requested], start)
        self.film = animation.Film(max(self.recipe.steps // 40, 1)) if options.film else None
        self.arguments: dict[str, Any] = {
            name: getattr(options, name) for name in ("count", "seed", "through_relu", "batch", "compile")
        } | {
            **{field.name: getattr(self.recipe, field.name) for field in dataclasses.fields(self.recipe)},
            "size": picture_size(options, network),
            "start": start,
            "precision": torch.bfloat16 if options.bf16 else None,
        }

    @property
    def bytes(self) -> int:
        """The size of all pictures in the checkpoint, in float32."""
        H, W = self.arguments["size"]
        return 4 * len(self.requested) * self.options.count * self.arguments["image"].channels * H * W

    @property
    def checkpoint(self) -> Path:
        return self.out.with_suffix(f".{rank()}.part" if world_size() > 1 else ".part")

    def resumable(self, error: NotWritten) -> NotWritten:
        """The error, with a hint at the checkpoint."""
        if not self.checkpoint.is_file():
            return error
        return NotWritten(
            f"{error}. The pictures are in {self.checkpoint}: continue with the same command and --resume."
        )

    def draw(self) -> Visualization:
        """If the checkpoint to resume is finished and a film is asked for, draws everything again for the film."""
        drawn = self._draw(self.options.resume)
        return self._draw(False) if self.film and not self.film.batches else drawn

    def _draw(self, resume: bool) -> Visualization:
        from tqdm import tqdm

        objectives = [request.objective for request in self.requested]
        steps = number_of_steps(self.recipe)
        name = " | ".join(objective.name for objective in objectives)
        name = escaped(name if len(name) < 50 else f"{name[:50]}...")
        with tqdm(total=steps * len(self.paths), desc=name, file=sys.stderr) as bar:

            def on_step(step: DescentStep) -> None:
                self.last = step
                self.by_hand = self.by_hand or f"{audit(step.J).fraction:.0%}"
                if self.film:
                    self.film(step)
                bar.set_postfix(J=f"{step.J.mean().item():.3f}", refresh=False)
                bar.update(len(step.J))

            more: dict[str, Any] = {"checkpoint": self.checkpoint, "resume": resume, "on_step": on_step}
            return visualize(self.network, objectives, **more, **self.arguments)

    def write_interrupted(self) -> None:
        """Writes the unfinished pictures."""
        if self.last is None:
            print("Interrupted before the first step.", file=sys.stderr)
            return
        images = [render.to_image(x, self.options.height) for x in render.as_shown(self.last.x, self.last.alpha)]
        if provenance.is_own_image(beside := self.out.with_suffix(".json")):
            beside.unlink()  # it describes an earlier picture
        render.save_image(render.side_by_side(images, self.options.columns), self.out)
        message = f"Interrupted: {self.out} is unfinished; continue with the same command and --resume."
        print(escaped(message), file=sys.stderr)

    def write(self, drawn: Visualization) -> None:
        """Writes each picture with its provenance, and the film; prints the results."""
        options = self.options
        quality: list[dict[str, float | None]] = []
        if options.report:
            bare = [request.bare for request in self.requested for _ in range(options.count)]
            quality = [dataclasses.asdict(q) for q in measure_quality(self.network, bare, drawn.x, self.second)]
        # pictures that must differ from each other are drawn together
        changes = [
            {} if options.diverse else request.alone | {"count": 1, "seed": seed}
            for request in self.requested
            for seed in range(options.seed, options.seed + options.count)
        ]
        commands = [["visualize", *command_words(options, alone)] for alone in changes]
        objectives = [request.objective for request in self.requested]
        described = provenance.describe(
            drawn, self.network, objectives, self.arguments, model=options.model, commands=commands, quality=quality
        )
        x = render.as_shown(drawn.x, drawn.alpha)
        pictures = map(render.importance_to_alpha, x, drawn.importance) if options.importance else x
        for entry, x, path in zip(described, pictures, self.paths, strict=True):
            provenance.save_with_provenance(render.to_image(x, options.height), path, entry)
        if self.film:
            self.film.save(options.film, options.height if len(self.paths) == 1 else THUMBNAIL, options.columns)
            print(escaped(f"The film is {options.film}."))
        self._print(drawn, described)

    def _print(self, drawn: Visualization, described: Sequence[Provenance]) -> None:
        if self.options.history:
            for i, J in enumerate(drawn.history.mean(1).tolist()):
                print(f"{i:4d}  J {J: .6f}")
        by_name: dict[str, list[Provenance]] = {}
        for entry in described:
            by_name.setdefault(entry.objective, []).append(entry)
        for name, entries in list(by_name.items())[:40]:
            first, last = (sum(entry.history[i] for entry in entries) / len(entries) for i in (0, -1))
            went = "rose" if last > first else "fell"
            print(f"{escaped(name)}: J {went} from {first:.4f} to {last:.4f} in {len(drawn.history)} steps.")
        noisy = [entry.objective for entry, r in zip(described, drawn.noise.tolist(), strict=True) if r > NOISY]
        if noisy:
            names = escaped(", ".join(dict.fromkeys(noisy)))
            print(f"Mostly the noise that it began with: {names}. A larger --path-length or --rate moves it further.")
        if self.by_hand:
            print(f"{self.by_hand} of the gradient's nodes are by hand.")
        if dead := [entry.objective for entry in described if not entry.alive]:
            names, steps = escaped(", ".join(dict.fromkeys(dead))), self.options.through_relu
            print(
                f"Dead after --through-relu {steps}, and so noise: {names}. More steps may wake them."
                if steps
                else f"Dead at the start, and so noise: {names}. --through-relu may wake them."
            )
        if self.options.report:
            rows = [(f"{entry.objective}, seed {entry.seed}", entry.quality) for entry in described]
            print(quality_table({"": rows}))


def _draw_again(options: argparse.Namespace) -> int:
    """Draws a picture from its provenance, and compares the two."""
    entry, name = provenance.read_provenance(options.again), str(options.again)
    if others := command_words(options, {"device": None}):
        raise ValueError(f"--again draws a picture as it was drawn, and cannot be given {' '.join(others)}.")
    if entry.command[:1] != ["visualize"]:
        raise ValueError(f"{name}: no command drew it.")
    recorded = parse_command(entry.command, name)
    height = _height(options.again)
    out = options.out or options.again.with_stem(f"{options.again.stem}_again")
    if out.absolute() == options.again.absolute():
        raise ValueError(f"{out}: it is the picture that is drawn again, and would be compared with itself.")
    check_trust(recorded, name, options.trust)
    changes = {"out": out, "height": height, "again": None, "device": options.device or recorded.device}
    then = argparse.Namespace(**vars(options) | vars(recorded) | changes)
    print(shell_command(entry.command[1:]))
    try:
        if status := run(then):
            return status
    except (ValueError, IndexError, ArithmeticError, FileNotFoundError, RuntimeError) as error:
        if isinstance(error, NotImplementedError) or is_out_of_memory(error):
            raise
        raise ValueError(f"{name}: its recorded command fails. {error}") from error
    network, drawn = load_network(then.model, then.weights), out
    if then.count > 1:  # the pictures of --diverse are drawn together
        same_seed = sorted(out.with_suffix("").glob(f"*_seed_{entry.seed}.png"))
        if not same_seed:
            raise ValueError(f"{name}: its recorded command does not draw its seed, {entry.seed}.")
        drawn = same_seed[0]
    print(escaped(_comparison(options.again, drawn, provenance.changes_since(entry, network))))
    return 0


def _comparison(then: Path, now: Path, changes: Sequence[str]) -> str:
    a, b = render.open_image(then), render.open_image(now)
    if (a.size, a.mode) != (b.size, b.mode):
        return f"It differs from {then}, which is {a.width} x {a.height} {a.mode}: {b.width} x {b.height} {b.mode}."
    difference = ImageChops.difference(a, b)
    if difference.getbbox(alpha_only=False) is None:
        return f"It is identical to {then}."
    most = max(high for _, high in np.atleast_2d(difference.getextrema()).tolist())
    why = "; ".join(changes) or "another batch size rounds differently"
    return f"It differs from {then} by at most {most} of 255: {why}."


def _height(path: Path) -> int:
    if path.suffix == ".json":
        raise ValueError(f"{path}: --again needs the picture itself.")
    height = render.open_image(path).height
    if height > MAX_SIDE:
        raise ValueError(f"{path}: it is {height} pixels high; --again draws at most {MAX_SIDE}.")
    return height


def _paths(requested: Sequence[RequestedObjective], options: argparse.Namespace, out: Path) -> list[list[Path]]:
    """The paths of the pictures: for each objective, one for each seed."""
    if len(requested) * options.count == 1:
        return [[out]]
    names = [f"{i:04d}_{_slug(request.objective.name)}" for i, request in enumerate(requested)]
    seeds = range(options.seed, options.seed + options.count)
    return [[out.with_suffix("") / f"{name}_seed_{seed}.png" for seed in seeds] for name in names]


def _write_sheet(paths: Sequence[Path], layer: str | None, columns: int, out: Path) -> None:
    """`layer`: if all pictures are of one, it is omitted from their labels."""
    images, labels = [], []
    for path in paths:
        entry = provenance.read_provenance(path)
        images.append(render.with_height(render.open_image(path), THUMBNAIL))
        name = entry.objective.replace(f" of {layer}", "") if layer else entry.objective
        labels.append(escaped(name if entry.alive else f"dead: {name}"))  # first, as labels are shortened
    render.save_image(render.contact_sheet(images, labels, columns), out)


def _title(options: argparse.Namespace) -> str:
    if options.prompt:
        return " and ".join(options.prompt)
    return f"class {' and '.join(options.label)}" if options.label else f"{options.model} {options.layer}"


def _slug(name: str) -> str:
    slug = re.sub(r"\W+", "_", name.lower()).strip("_")[:80]
    return slug.encode()[:160].decode(errors="ignore") or "picture"  # a file's name has at most 255 bytes
