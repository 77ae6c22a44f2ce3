"""Measure a trained CLIP on photographs that it has not seen, and write its weights with what was measured.

python scripts/evaluate_clip.py PHOTOGRAPHS runs/first/clip.safetensors --out chapter14/assets/clip.safetensors
"""

import argparse
import json
from pathlib import Path

from chapter14.models import clip_file
from chapter14.training.evaluation import evaluate
from chapter14.training.photographs import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="the folder with photos96.zip")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--each", type=int, default=200, help="photographs of each label (200)")
    parser.add_argument("--out", type=Path, help="write the weights there, with the figures in their metadata")
    parser.add_argument("--provenance", help="what to say there of where the weights come from")
    options = parser.parse_args()
    model, about = clip_file.load_clip(options.weights)
    figures = evaluate(model, read(options.photographs, "val", model.config.size), options.each)
    print(json.dumps(figures, indent=1))
    if options.out:
        if options.provenance:
            about["provenance"] = options.provenance
        clip_file.save_clip(model, options.out, **about | {"evaluation": figures})
        print(f"The weights, with these figures, are {options.out}.")


if __name__ == "__main__":
    main()
