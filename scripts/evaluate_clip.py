"""Measure a trained CLIP on photographs that it has not seen, and write its weights with what was measured.

    python scripts/evaluate_clip.py PHOTOGRAPHS runs/first/clip.safetensors --out chapter14/assets/clip.safetensors

Of several files of weights, it is the CLIP of their mean, which is often better than each (Izmailov et al., 2018,
arXiv:1803.05407).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chapter14.models import clip_file
from chapter14.models.clip import CLIP
from chapter14.training.evaluation import evaluate
from chapter14.training.photographs import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="the folder with photos96.zip")
    parser.add_argument("weights", type=Path, nargs="+", help="one file, or several of one training")
    parser.add_argument("--each", type=int, default=200, help="photographs of each label (200)")
    parser.add_argument("--out", type=Path, help="write the weights there, with the figures in their metadata")
    parser.add_argument("--provenance", help="what to say there of where the weights come from")
    options = parser.parse_args()
    model, about = mean(options.weights)
    figures = evaluate(model, read(options.photographs, "val", model.config.size), options.each)
    print(json.dumps(figures, indent=1))
    if options.out:
        if options.provenance:
            about["provenance"] = options.provenance
        clip_file.save_clip(model, options.out, **about | {"evaluation": figures})
        print(f"The weights, with these figures, are {options.out}.")


def mean(paths: Sequence[Path]) -> tuple[CLIP, dict[str, Any]]:
    """The CLIP of the mean weights, and what the last file says of itself."""
    loaded = [clip_file.load_clip(path) for path in paths]
    model, about = loaded[-1]
    states = [each.state_dict() for each, _ in loaded]
    model.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    return model, about


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(0) if values[0].is_floating_point() else values[-1]


if __name__ == "__main__":
    main()
