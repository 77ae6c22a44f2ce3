"""Runs the README in this environment, as a newcomer does: its install lines, commands and Python blocks, in order.

python scripts/run_readme.py [--wheel FILE] [--all]

A Python block that begins with a file's name, `# cube.py`, is also written to that file, which later commands read.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEP = re.compile(
    r"^```python\n(?P<block>(?s:.*?))^```|^    (?P<command>(?:pip|python|chapter14) .*?)(?:  +#.*)?$", re.M
)
#: What is not run, by what its line has, and why.
SKIPPED = {"pytest": ".ci/run runs the tests", "torchvision:": "it downloads weights"}
SLOW = ("--count", "--film", "--again", "imagenet")  # pictures that the tests draw smaller; run with --all


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wheel", type=Path, help="what `pip install .` installs here (default: this folder)")
    parser.add_argument("--all", action="store_true", help="also the commands that take minutes")
    options = parser.parse_args()
    package = (options.wheel or ROOT).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("scripts").symlink_to(ROOT / "scripts")
        for step in STEP.finditer((ROOT / "README.md").read_text(encoding="utf-8")):
            run(step, package, options.all)
    return 0


def run(step: re.Match[str], package: Path, all: bool) -> None:
    begin, block = time.perf_counter(), step["block"]
    what = block.splitlines()[0] + " ..." if block else step["command"]
    reason = "" if block else next((why for key, why in SKIPPED.items() if key in what), "")
    if not block and not reason and not all and any(word in what for word in SLOW):
        reason = "it takes minutes"
    if reason:
        print(f"skipped       {what}: {reason}", flush=True)
        return
    if block:
        if named := re.fullmatch(r"# (\w+\.py)", block.splitlines()[0]):
            Path(named[1]).write_text(block, encoding="utf-8")
        done = subprocess.run([sys.executable, "-"], input=block, capture_output=True, text=True)
    else:
        command = re.sub(r"pip install '?\.(\[\w+\])?'?", lambda found: shlex.join(pip(package, found[1])), what)
        command = re.sub(r"pip install (?=[a-z])", f"{shlex.join(pip())} ", command)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(command, shell=True, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{what}: failed\n{done.stdout}{done.stderr}")
    print(f"{time.perf_counter() - begin:7.1f} s     {what}", flush=True)


def pip(package: Path | None = None, extra: str | None = None) -> list[str]:
    """The command that installs the package; or without one, the beginning of a command."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [*command, f"{package}{extra or ''}"] if package else command


if __name__ == "__main__":
    sys.exit(main())
