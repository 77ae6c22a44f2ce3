"""The vocabulary of a small CLIP: a short list of words; and captions of photographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PAD, END = "<pad>", "<end>"
KINDS = ("photo", "picture", "image")
#: Common contents of photographs: `text` contrasts a sentence with them if the network has no classes.
THINGS = (
    "person", "dog", "cat", "bird", "horse", "fish", "insect", "tree", "flower", "mountain", "beach", "sky", "street",
    "house", "room", "chair", "table", "car", "boat", "book", "bottle", "shoe", "cake", "fruit",
)  # fmt: skip


class UnknownWord(ValueError):
    """A sentence has a word that the network was not trained on."""


@dataclass(frozen=True)
class Vocabulary:
    """`words` by token number, PAD first and END second, and `context`, the number of tokens of a sentence."""

    words: tuple[str, ...]
    context: int

    def tokenize(self, sentences: str | Sequence[str]) -> Tensor:
        """B sentences → tokens [B, context], int64; each ends with END, padded with PAD.

        Raises:
            UnknownWord: a sentence has an unknown word; the message lists the words.
            ValueError: a sentence is empty or too long.
        """
        sentences = [sentences] if isinstance(sentences, str) else sentences
        tokens = torch.full((len(sentences), self.context), self.words.index(PAD))
        for row, sentence in zip(tokens, sentences, strict=True):
            known = [*self._tokens(sentence), self.words.index(END)]
            row[: len(known)] = torch.tensor(known)
        return tokens

    def _tokens(self, sentence: str) -> list[int]:
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


def build_vocabulary(sentences: Iterable[str], context: int) -> Vocabulary:
    """The vocabulary of these sentences."""
    return Vocabulary((PAD, END, *sorted({word for sentence in sentences for word in sentence.split()})), context)


def caption(label: str, attribute: str = "", kind: str = "photo") -> str:
    """The sentence that describes a photograph.

    >>> caption("cat"), caption("church", "black and white", "image")
    ('a photo of a cat', 'a black and white image of a church')
    """
    return f"{_with_article(f'{attribute} {kind}'.strip())} of {_with_article(label)}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
