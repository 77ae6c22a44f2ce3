"""Measures the mean amplitude spectrum of photographs, and writes chapter14/assets/spectrum.safetensors.

python scripts/measure_spectrum.py PHOTOGRAPHS [--out FILE]

PHOTOGRAPHS is a folder with photos96.zip, as for scripts/train_clip.py. The spectrum is a mean
over all photographs, and contains none of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from chapter14.training.photographs import MARGIN, read
from chapter14.visualization.images.spectrum import SPECTRUM, measure_amplitudes, save_spectrum

SIZE = 96  # as wide as the photographs are


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="a folder with photos96.zip")
    parser.add_argument("--out", type=Path, default=SPECTRUM, help="default chapter14/assets/spectrum.safetensors")
    options = parser.parse_args()
    photographs = read(options.photographs, "train", SIZE - MARGIN)
    sums, n = [], 0
    for label, its in photographs.whole.items():
        sums += [measure_amplitudes(x.double() / 127.5 - 1) for x in its.split(500)]
        n += len(its)
        print(f"{label}: {len(its)}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_spectrum(sum(sums) / n, options.out, {"photographs": str(n), "of": "Imagenette and Asirra"})
    print(f"The spectrum of {n} photographs is {options.out}.")


if __name__ == "__main__":
    main()
