"""Batches of photographs with captions: a label and an attribute are drawn, and a photograph made to fit."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..models.vocabulary import KINDS, caption
from .photographs import ATTRIBUTES, HELD_OUT, Photographs

CAT = 0.2  # the share of the photographs that are of cats: nearly three times that of any other label
FACES = 0.6  # the share of those that are aligned faces: large, with ears and eyes
PLAIN = 0.6  # the share of the photographs without an attribute


class Batches:
    """All captions are of one photo, picture or image of a label with an attribute; `pairs` are what they say."""

    def __init__(self, photographs: Photographs, generator: Generator):
        self.photographs, self.generator = photographs, generator
        pairs = [(label, attribute) for label in photographs.labels for attribute in ATTRIBUTES]
        self.pairs = [pair for pair in pairs if pair not in HELD_OUT]
        of_label = [CAT if label == "cat" else (1 - CAT) / (len(photographs.labels) - 1) for label, _ in self.pairs]
        of_attribute = [(1 - PLAIN) / (len(ATTRIBUTES) - 1) if attribute else PLAIN for _, attribute in self.pairs]
        self.shares = torch.tensor(of_label) * torch.tensor(of_attribute)

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """n photographs x [n, 3, H, W], entries from -1 to 1, and which of `pairs` each one is [n]."""
        which = torch.multinomial(self.shares, n, replacement=True, generator=self.generator)
        pairs = [self.pairs[i] for i in which.tolist()]
        x = torch.stack([self.photographs.draw(label, FACES, self.generator) for label, _ in pairs])
        for attribute, apply in ATTRIBUTES.items():
            those = torch.tensor([its == attribute for _, its in pairs])
            if those.any():
                x[those] = apply(x[those])
        return x, which

    def captions(self) -> list[str]:
        """One caption for each of `pairs`, of a photo, a picture or an image."""
        kinds = torch.randint(len(KINDS), (len(self.pairs),), generator=self.generator).tolist()
        return [caption(label, attribute, KINDS[k]) for (label, attribute), k in zip(self.pairs, kinds, strict=True)]


def every_caption(labels: list[str]) -> list[str]:
    """All that the network may read: the words of these are its vocabulary."""
    return [caption(label, attribute, kind) for label in labels for attribute in ATTRIBUTES for kind in KINDS]
