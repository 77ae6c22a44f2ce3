"""The tests, with the oldest PyTorch that is promised and with the newest: a fresh virtual environment for each.

python scripts/test_versions.py [--only oldest|newest] [--python PYTHON] [what pytest is to be told ...]

The oldest is that of `torch>=` in pyproject.toml, in its last patch; pip finds the torchvision that goes with each.
What pytest prints goes to stderr. Each environment takes some gigabytes, while it is there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--only", choices=("oldest", "newest"), help="one of the two (default: both)")
    parser.add_argument("--python", default=sys.executable, help="the Python of the environments (default: this one)")
    options, arguments = parser.parse_known_args()
    bad = 0
    for which, torch in (("oldest", f"torch=={oldest()}.*"), ("newest", "torch")):
        if options.only in (None, which):
            with tempfile.TemporaryDirectory() as folder:
                bad += tested(made(options.python, Path(folder), torch), Path(folder) / "results.xml", arguments)
    return 1 if bad else 0


def oldest() -> str:
    """What pyproject.toml promises, as "2.9"."""
    promised = re.search(r'"torch>=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert promised, "pyproject.toml says nothing of torch>="
    return promised[1]


def made(python: str, folder: Path, torch: str) -> Path:
    """The Python of a new environment in this folder, with the project and that torch in it."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    there = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([there, "-m", "pip", "install", "--quiet", f"{ROOT}[dev]", torch], check=True, stdout=sys.stderr)
    return there


def tested(python: Path, results: Path, arguments: Sequence[str]) -> bool:
    """Runs pytest, prints the line of this version, and says whether something failed."""
    ask = [python, "-c", "import torch; print(torch.__version__)"]
    version = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    command = [python, "-m", "pytest", f"--junitxml={results}", *arguments]
    code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode
    if not results.exists():
        print(f"torch {version}: pytest did not run, and left with {code}", flush=True)
        return True
    (suite,) = ElementTree.parse(results).getroot()
    n, failures, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
    failed = failures + errors
    print(
        f"torch {version}: {n - failed - skipped} passed, {skipped} skipped, {failed} failed,"
        f" {float(suite.get('time', 0)) / 60:.1f} minutes",
        flush=True,
    )
    return code != 0


if __name__ == "__main__":
    sys.exit(main())
