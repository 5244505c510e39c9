"""Every call that `up n8n` and the deletions make, under every fault that it can have.

One command: `python benchmarks/faults.py [--quick] [--only PATTERN] [--seed N]`. The calls are
those of a clean run. Each cell is a command in the sandbox of which one call fails: it must end
completed, or failed with the right code, a hint and a re-run that works; what exists must be what
the inventory says, and nothing after a deletion. Prints the matrix; ends with 1 if anything is
broken.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import random
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "daemon")]

from benchmarks.rig.fault_cells import COMMANDS, Cell, Lives, Outcome, cells  # noqa: E402
from tests.integration.daemon_process import DaemonProcess, running  # noqa: E402

SETTINGS = {"call_timeout": 2, "patience": 3}
"""So that an outage is over, or given up, within the time of a cell."""
QUICK = 60
"""Cells of a quick run."""


@dataclass
class Matrix:
    """The cells to be tried, until when, and what came of those that were."""

    waiting: dict[str, list[Cell]]
    until: float = inf
    outcomes: list[Outcome] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, *, fresh: bool) -> dict[str, Cell]:
        """The cells of one life, in a fresh daemon or not: at most one for each command."""
        with self.lock:
            chosen: dict[str, Cell] = {}
            if monotonic() > self.until:
                return chosen
            for name, found in self.waiting.items():
                fitting = [cell for cell in found if cell.fresh == fresh] or (
                    found if fresh else []
                )
                if fitting:
                    chosen[name] = fitting[-1]
                    found.remove(fitting[-1])
            return chosen

    def add(self, outcomes: list[Outcome]) -> None:
        """Note what came of a life."""
        with self.lock:
            self.outcomes += outcomes
            done = len(self.outcomes)
        for outcome in outcomes:
            for words in outcome.broken:
                where = f"{outcome.cell.row}, {outcome.cell.column}"
                print(f"[{done}] BROKEN {where}: {words}", file=sys.stderr)


def sampled(every: list[Cell], count: int | None, seed: int) -> dict[str, list[Cell]]:
    """All cells, or so many drawn by the seed, by command."""
    chosen = list(every)
    random.Random(seed).shuffle(chosen)
    kept = chosen if count is None else chosen[:count]
    return {name: [cell for cell in kept if cell.command == name] for name in COMMANDS}


def prepared(folder: Path) -> Path:
    """A home whose settings are impatient."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "settings.json").write_text(json.dumps(SETTINGS))
    return folder


def recorded(folder: Path) -> list[Cell]:
    """The cells of all calls of a clean life."""
    with running(prepared(folder)) as daemon:
        calls = Lives(daemon, random.Random(0)).record()
    return [cell for command, found in calls.items() for cell in cells(command, found)]


def work(matrix: Matrix, folder: Path, seed: int) -> None:
    """Live lives until no cell is left; after a broken one in a fresh home."""
    number = 0
    while chosen := matrix.take(fresh=True):
        number += 1
        with running(prepared(folder / str(number))) as daemon:
            while chosen and _lived(matrix, daemon, chosen, seed):
                chosen = matrix.take(fresh=False)


def _lived(matrix: Matrix, daemon: DaemonProcess, chosen: dict[str, Cell], seed: int) -> bool:
    """Whether all was well in this life, so that the next may follow it."""
    chance = random.Random(f"{seed} {chosen}")
    try:
        outcomes = Lives(daemon, chance).live(chosen)
    except (AssertionError, OSError, ValueError, KeyError) as error:
        outcomes = [Outcome(cell, "broken", None, [str(error)[:600]]) for cell in chosen.values()]
    matrix.add(outcomes)
    # What is remembered for a minute is asked for by a fresh daemon only.
    return not any(outcome.broken or outcome.word == "not met" for outcome in outcomes)


def run(matrix: Matrix, folder: Path, seed: int, workers: int) -> None:
    """Try all cells."""
    threads = [
        threading.Thread(target=work, args=(matrix, folder / f"w{number}", seed), daemon=True)
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def table(outcomes: list[Outcome]) -> list[str]:
    """The matrix, one part for each service."""
    lines: list[str] = []
    for service in sorted({outcome.cell.service for outcome in outcomes}):
        part = [outcome for outcome in outcomes if outcome.cell.service == service]
        columns = sorted({outcome.cell.column for outcome in part})
        rows = sorted({outcome.cell.row for outcome in part})
        found = {(each.cell.row, each.cell.column): _sign(each) for each in part}
        lines += ["", service, *(f"  {number:>2} {name}" for number, name in enumerate(columns, 1))]
        width = max(map(len, rows))
        lines.append(" " * width + "".join(f"{number:>4}" for number in range(1, len(columns) + 1)))
        lines += [
            f"{row:<{width}}" + "".join(f"{found.get((row, column), ''):>4}" for column in columns)
            for row in rows
        ]
    return lines


def _sign(outcome: Outcome) -> str:
    if outcome.broken:
        return "!!"
    if outcome.code:
        return "F"
    if outcome.word == "not met":
        return "-"
    return "ok" if outcome.word == "ok" else "+" + outcome.word.split(", ")[1].split()[0]


def summary(outcomes: list[Outcome]) -> list[str]:
    """What came of all cells, in lines."""
    broken = [outcome for outcome in outcomes if outcome.broken]
    failed = [outcome for outcome in outcomes if outcome.code and not outcome.broken]
    unmet = [outcome for outcome in outcomes if outcome.word == "not met"]
    well = len(outcomes) - len(failed) - len(broken) - len(unmet)
    by_code = Counter(f"{each.cell.column}: {each.code}" for each in failed)
    return [
        "",
        "ok completed; +n completed after n more tries of a step; F failed with the right code, a",
        "hint and a re-run that worked; - the call was not made; !! broken",
        "failed and made good: "
        + "; ".join(f"{what} ({n})" for what, n in sorted(by_code.items())),
        *(
            f"BROKEN {each.cell.row}, {each.cell.column}: {words}"
            for each in broken
            for words in each.broken
        ),
        (
            f"cells {len(outcomes)}, completed {well}, failed with code and re-run {len(failed)}, "
            f"not met {len(unmet)}, broken {len(broken)}"
        ),
    ]


def main() -> int:
    """Run it and print the matrix."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--quick", action="store_true", help=f"a sample of {QUICK} cells")
    options.add_argument("--only", default="*", help='such as "*hetzner POST*lost*"')
    options.add_argument("--minutes", type=float, default=inf, help="begin no cell after them")
    options.add_argument("--workers", type=int, default=3, help="daemons at once")
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="livchat-faults-"))
    began = monotonic()
    every = [
        cell
        for cell in recorded(home / "clean")
        if fnmatch.fnmatchcase(f"{cell.row} {cell.column}", given.only)
    ]
    chosen = sampled(every, QUICK if given.quick else None, given.seed)
    matrix = Matrix(chosen, began + 60 * given.minutes)
    run(matrix, home, given.seed, given.workers)
    print("\n".join(table(matrix.outcomes) + summary(matrix.outcomes)))
    print(f"not tried {sum(map(len, matrix.waiting.values()))}")
    print(f"seed {given.seed}, {monotonic() - began:.0f} s, homes in {home}")
    return 1 if any(outcome.broken for outcome in matrix.outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
