"""What became of each test in the gate's runs, from pytest's JUnit files (of the family xunit1).

`outcomes.py left-out FILE...` prints the tests that ran nowhere, for pytest to be given as `@list`.
`outcomes.py check FILE... [--without WHAT]...` fails if a test that must run ran nowhere. What may
be left out stands in `may-be-skipped`: always, or where something is missing (`--without`).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

PERMITTED = Path(__file__).with_name("may-be-skipped")


class Outcome:
    """A test in one run: its node id, how it ended (`passed`, `failed`, `skipped`), and why."""

    def __init__(self, case: ElementTree.Element) -> None:
        file = case.attrib["file"]
        module = file.removesuffix(".py").replace("/", ".")
        classes = case.attrib["classname"].removeprefix(module).removeprefix(".")
        self.node = "::".join(filter(None, (file, *classes.split("."), case.attrib["name"])))
        self.folder = "/".join(file.split("/")[:2])
        self.seconds = float(case.attrib["time"])
        skipped = case.find("skipped")
        broken = case.find("failure") is not None or case.find("error") is not None
        self.how = "failed" if broken else "passed" if skipped is None else "skipped"
        self.reason = "" if skipped is None else skipped.attrib["message"]


def read(files: list[str]) -> list[Outcome]:
    """Return the outcomes of all runs, in their order."""
    cases = (case for file in files for case in ElementTree.parse(file).iter("testcase"))
    return [Outcome(case) for case in cases]


def by_test(outcomes: list[Outcome]) -> dict[str, Outcome]:
    """Return what became of each test: a run that skipped it does not count beside another."""
    found: dict[str, Outcome] = {}
    for one in outcomes:
        if one.node not in found or one.how != "skipped":
            found[one.node] = one
    return found


def permitted(without: list[str]) -> tuple[str, ...]:
    """Return the beginnings of the node ids that may be left out, where some things are missing."""
    lines = (line.partition("#")[0].split() for line in PERMITTED.read_text("utf-8").splitlines())
    return tuple(line[1] for line in lines if line and line[0] in {"always", *without})


def check(outcomes: list[Outcome], without: list[str]) -> int:
    """Print the tests by folder and those that ran nowhere; the exit status."""
    last = by_test(outcomes)
    seconds: dict[str, float] = defaultdict(float)
    for one in outcomes:
        seconds[one.folder] += one.seconds
    nowhere = [one for one in last.values() if one.how == "skipped"]
    allowed = permitted(without)
    missed = [one for one in nowhere if not one.node.startswith(allowed)]
    for folder in sorted(seconds):
        count = sum(one.folder == folder for one in last.values())
        print(f"{seconds[folder]:8.1f} s in {count} tests of {folder}")
    for one in nowhere:
        print(f"{'MUST RUN' if one in missed else 'left out'}: {one.node}: {one.reason}")
    count = {
        how: sum(one.how == how for one in last.values()) for how in ("passed", "failed", "skipped")
    }
    print("all runs together:")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if missed or count["failed"] or not count["passed"] else 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("left-out", "check"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    outcomes = read(given.files)
    if given.task == "check":
        return check(outcomes, given.without)
    always = permitted([])
    left = [one.node for one in by_test(outcomes).values() if one.how == "skipped"]
    must_run = [node for node in left if not node.startswith(always)]
    sys.stdout.writelines(f"{node}\n" for node in must_run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
