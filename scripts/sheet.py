"""The pictures of the README: assets/cat.png, what its first command draws, and assets/classes.png, all classes.

Each class is drawn from seeds 0 and 1, which nobody chose: `chapter14 visualize --class parachute --seed 1` is one.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from chapter14.models.zoo import ASSETS, load
from chapter14.visualization import label, visualize
from chapter14.visualization.render import save, sheet, to_image

SEEDS = (0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded", help="a file that scripts/train_clip.py wrote")
    parser.add_argument("--out", type=Path, default=ASSETS, help="a folder")
    parser.add_argument("--steps", type=int, default=60, help="steps of the first descent (60)")
    options = parser.parse_args()
    network = load(options.model)
    drawn = [
        (name, visualize(network, label(name), seed=seed, steps=options.steps).x[0])
        for name in tqdm(network.labels, desc="classes")
        for seed in SEEDS
    ]
    save(sheet([to_image(x, 192) for _, x in drawn], [name for name, _ in drawn], 6), options.out / "classes.png")
    cat = next(x for name, x in drawn if name == "cat")
    save(to_image(cat, 480), options.out / "cat.png")
    print(f"The pictures are {options.out / 'classes.png'} and {options.out / 'cat.png'}.")


if __name__ == "__main__":
    main()
