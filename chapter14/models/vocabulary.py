"""The sentences that a small CLIP can read: a short list of words, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PAD, END = "<pad>", "<end>"
KINDS = ("photo", "picture", "image")
#: What many pictures are of: what is said of a picture is told from these, where a network has no classes of its own.
THINGS = (
    "person", "dog", "cat", "bird", "horse", "fish", "insect", "tree", "flower", "mountain", "beach", "sky", "street",
    "house", "room", "chair", "table", "car", "boat", "book", "bottle", "shoe", "cake", "fruit",
)  # fmt: skip


class UnknownWord(ValueError):
    """A sentence has a word that the network was not trained on."""


@dataclass(frozen=True)
class Vocabulary:
    """`words` by number, PAD first and END second, and `context`, how many of them a sentence may have."""

    words: tuple[str, ...]
    context: int

    def tokenize(self, sentences: str | Sequence[str]) -> Tensor:
        """B sentences → the numbers of their words [B, context], int64; each ends with END, padded with PAD.

        Raises:
            UnknownWord: it lists the words.
            ValueError: a sentence is empty or too long.
        """
        sentences = [sentences] if isinstance(sentences, str) else sentences
        tokens = torch.full((len(sentences), self.context), self.words.index(PAD))
        for row, sentence in zip(tokens, sentences, strict=True):
            numbers = [*self._numbers(sentence), self.words.index(END)]
            row[: len(numbers)] = torch.tensor(numbers)
        return tokens

    def _numbers(self, sentence: str) -> list[int]:
        words = sentence.lower().split()
        known = [word for word in self.words if word not in (PAD, END)]
        if unknown := [word for word in words if word not in known]:
            raise UnknownWord(
                f"{sentence!r}: the network does not know {', '.join(map(repr, unknown))}. "
                f"The words that it knows: {', '.join(known)}."
            )
        if not 0 < len(words) < self.context:
            raise ValueError(f"{sentence!r} has {len(words)} words; a sentence has 1 to {self.context - 1}.")
        return [self.words.index(word) for word in words]


def vocabulary(sentences: Iterable[str], context: int) -> Vocabulary:
    """The words of these sentences."""
    return Vocabulary((PAD, END, *sorted({word for sentence in sentences for word in sentence.split()})), context)


def caption(label: str, attribute: str = "", kind: str = "photo") -> str:
    """The sentence that describes a photograph.

    >>> caption("cat"), caption("church", "black and white", "image")
    ('a photo of a cat', 'a black and white image of a church')
    """
    return f"{_with_article(f'{attribute} {kind}'.strip())} of {_with_article(label)}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
