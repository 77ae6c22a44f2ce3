"""Seconds of the forward pass and the backward pass to the pixels, in each variant."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.functional import cosine_similarity

from . import limit
from .clock import Given, Row, best, in_turns, row, times
from .networks import BY_HAND, NETWORKS, WAYS, bf16, made, step

#: Variants that are never the fastest: measured for the first batch size only.
SLOW = "unfrozen", "folded", "checkpointed"
#: Measured for the first batch size only: others take minutes, and add nothing.
LARGE = ("vit_b_16",)


def rows(given: Given) -> Iterator[Row]:
    rate = limit.rate(given)
    always = ["native", "tuned", "converted", "frozen"]
    always += ["compiled"] if given.compile else []
    always += ["frozen, bf16"] if bf16(given.device) else []
    for name in given.networks or NETWORKS:
        model, until = made(name)
        model.to(given.device)
        networks = {way: WAYS[way](model, until) for way in (*SLOW, *always)}
        for batch in given.batches[:1] if name in LARGE and not given.networks else given.batches:
            x = given.pixels(batch)
            ways = networks if batch == given.batches[0] else always
            steps = {way: step(networks[way], x) for way in ways}
            taken = in_turns(steps, given)
            for way, seconds in taken.items():
                yield row("speed", name, batch, way, seconds, "s")
            yield row("speed", name, batch, "limit", limit.seconds(model, x, rate), "s")
            tuned = best(taken, *BY_HAND)
            for way in ("converted", "frozen"):
                yield row("speed", name, batch, f"{way}, to native", times(taken["native"], taken[way]), "x")
            yield row("speed", name, batch, "frozen, to the best by hand", times(taken[tuned], taken["frozen"]), "x")
            for way in ("converted", "frozen"):
                g_in = [steps[which]().double().flatten() for which in ("native", way)]
                yield row("speed", name, batch, f"{way}, cosine", float(cosine_similarity(*g_in, dim=0)), "1")
        del networks, model
        torch.compiler.reset()
