"""What every benchmark shares: figures beside their promises, medians, processes of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "benchmarks"
RIG = HERE / "rig"
# Children find the code too, and keep its byte code, as an installation does.
for folder in (HERE, ROOT / "daemon", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "daemon", HERE)))
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True)
class Figure:
    """One figure beside its yardstick and the promise; `kept` is None where nothing is promised."""

    what: str
    value: str
    yardstick: str = ""
    promise: str = ""
    kept: bool | None = None


def main(run: Callable[..., list[Figure]]) -> None:
    """Run a benchmark and print its figures; `--json FILE` keeps them."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    figures = run(quick=options.quick)
    print(machine())
    for figure in figures:
        print(line(figure))
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures]))


def line(figure: Figure) -> str:
    """A figure as one line of text."""
    yardstick = f" | {figure.yardstick}" if figure.yardstick else ""
    promise = f" | promise: {figure.promise}" if figure.promise else ""
    return f"{verdict(figure):6} {figure.what}: {figure.value}{yardstick}{promise}"


def verdict(figure: Figure) -> str:
    """Whether the promise is kept."""
    return {True: "kept", False: "MISSED", None: ""}[figure.kept]


def machine() -> str:
    """Where these figures come from."""
    return f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ms(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{seconds * 1000:.2f} ms"


def rate(value: float) -> str:
    """A rate a second."""
    return f"{value:,.0f}/s"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own, removed afterwards. Its path is short: sockets lie in it."""
    path = Path(tempfile.mkdtemp(prefix="lvb-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that says a line when it is ready; it is ended afterwards."""
    child = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert child.stdout is not None
        if not child.stdout.readline():
            raise RuntimeError(f"{command[0]} ended with {child.wait()}")
        yield child
    finally:
        child.terminate()
        child.wait(20)


def answer_of(*command: str) -> Any:
    """What a Python process prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
