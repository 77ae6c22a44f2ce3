"""Pooling, as torch's own modules and its functions beneath torch.nn.functional call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ... import functional
from ..table import stands_for


def _with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The form that always returns where the largest are, and in torch.nn.functional takes a word for it."""

    def of(*args: Any, return_indices: bool = True, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return pool(*args[:6], **kwargs, return_indices=True)

    return of


def _parts_with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    def of(input: Tensor, output_size: Any, return_indices: bool = True) -> tuple[Tensor, Tensor]:
        return pool(input, output_size, return_indices=True)

    return of


def _drawn_with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    def of(
        input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
        return_indices: bool = True, _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return pool(input, kernel_size, output_size, output_ratio, True, _random_samples)

    return of


for _axes in (1, 2, 3):
    _max = getattr(functional, f"max_pool{_axes}d")
    stands_for(f"max_pool{_axes}d")(_max)
    stands_for(f"max_pool{_axes}d_with_indices", f"nn.functional.max_pool{_axes}d_with_indices")(_with_indices(_max))
    _adaptive = _parts_with_indices(getattr(functional, f"adaptive_max_pool{_axes}d"))
    stands_for(f"nn.functional.adaptive_max_pool{_axes}d_with_indices")(_adaptive)
    stands_for("_VF.adaptive_max_pool1d" if _axes == 1 else f"_C._nn.adaptive_max_pool{_axes}d")(_adaptive)
    stands_for(f"avg_pool{_axes}d")(getattr(functional, f"avg_pool{_axes}d"))
    stands_for(f"adaptive_avg_pool{_axes}d")(getattr(functional, f"adaptive_avg_pool{_axes}d"))
for _axes in (2, 3):
    _drawn = _drawn_with_indices(getattr(functional, f"fractional_max_pool{_axes}d"))
    stands_for(f"nn.functional.fractional_max_pool{_axes}d_with_indices")(_drawn)
