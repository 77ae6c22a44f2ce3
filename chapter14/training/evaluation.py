"""What a trained CLIP can do, on photographs that it has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from ..models.clip import CLIP
from ..models.vocabulary import caption
from .photographs import ATTRIBUTES, HELD_OUT, Photographs

Figures = dict[str, float]


@torch.no_grad()
def _vectors(model: CLIP, x: Tensor) -> Tensor:
    return torch.cat([model.encode_image(part) for part in x.split(64)])


class Evaluation:
    """`each` photographs of every label, cut in the middle."""

    def __init__(self, model: CLIP, photographs: Photographs, each: int):
        self.model, self.labels, self.attributes = model, photographs.labels, list(ATTRIBUTES)
        pictures = [photographs.centre(label, each) for label in self.labels]
        self.x = torch.cat(pictures)
        self.y = torch.cat([torch.full((len(x),), i) for i, x in enumerate(pictures)])
        with torch.no_grad():
            every = [caption(label, attribute) for attribute in self.attributes for label in self.labels]
            self.t = model.encode_text(every).view(len(self.attributes), len(self.labels), -1)

    def zero_shot(self) -> Figures:
        """The share of photographs whose own label's caption fits best; of all, and by label."""
        right = (_vectors(self.model, self.x) @ self.t[0].mT).argmax(1) == self.y
        by_label = {label: right[self.y == i].float().mean().item() for i, label in enumerate(self.labels)}
        return {"all": sum(by_label.values()) / len(by_label)} | by_label

    def attribute(self) -> Figures:
        """The share whose own attribute fits best among all, the label being given."""
        found = {}
        for i, (name, apply) in enumerate(ATTRIBUTES.items()):
            nodes = torch.einsum("bd,abd->ba", _vectors(self.model, apply(self.x)), self.t[:, self.y])
            found[name or "none"] = (nodes.argmax(1) == i).float().mean().item()
        return found

    def held_out(self) -> Figures:
        """Pairs never trained on: the share for which label and attribute are both right, among all pairs."""
        found = {}
        for label, attribute in sorted(HELD_OUT & {(label, a) for label in self.labels for a in self.attributes}):
            i, a = self.labels.index(label), self.attributes.index(attribute)
            nodes = _vectors(self.model, ATTRIBUTES[attribute](self.x[self.y == i])) @ self.t.flatten(0, 1).mT
            found[f"{attribute} {label}"] = (nodes.argmax(1) == a * len(self.labels) + i).float().mean().item()
        return found


def evaluate(model: CLIP, photographs: Photographs, each: int = 200) -> dict[str, Figures]:
    """All figures, shares, rounded to thousandths."""
    evaluation = Evaluation(model, photographs, each)
    figures = {
        "zero-shot": evaluation.zero_shot(),
        "attribute, label given": evaluation.attribute(),
        "held-out pairs": evaluation.held_out(),
    }
    return {name: {key: round(value, 3) for key, value in part.items()} for name, part in figures.items()}
