"""A plan of faults: rules say which calls fail, how and how often. Same calls, same faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from livchat_sandbox.faults.registry import ANY, FAULTS

Meet = Callable[[str, str, str], str | None]
"""Told of a call by service, route and line; says which fault it has, if any."""


def all_well(_service: str, _route: str, _line: str) -> None:
    """Nothing fails."""


class WrongRule(ValueError):
    """A rule that cannot be: of an unknown service or fault, or with a field that is wrong."""


@dataclass(frozen=True)
class Rule:
    """Which calls of a service fail, and how.

    `route` may hold `*`. Of the calls that match, the first `after` are spared; of the others
    `share` are hit, drawn by `seed`, until `times` were (None: until the plan is changed).
    """

    service: str
    route: str
    fault: str
    times: int | None = 1
    after: int = 0
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        known = FAULTS.get(self.service)
        if known is None:
            raise WrongRule(f"service: there is no {self.service}; there are {', '.join(FAULTS)}")
        if self.fault != ANY and self.fault not in known:
            raise WrongRule(
                f"fault: {self.service} has no {self.fault}; it has {', '.join(sorted(known))}"
            )
        if not self.route or not isinstance(self.route, str):
            raise WrongRule("route: it is a method and a path, or a command, maybe with *")
        _whole("times", self.times, least=1, none=True)
        _whole("after", self.after, least=0)
        _whole("seed", self.seed, least=0)
        if isinstance(self.share, bool) or not isinstance(self.share, int | float):
            raise WrongRule("share: it is a number")
        if not 0 < self.share <= 1:
            raise WrongRule("share: it is more than 0, and at most 1")

    @classmethod
    def read(cls, given: object) -> Rule:
        """The rule in JSON data."""
        if not isinstance(given, Mapping):
            raise WrongRule("a rule is an object")
        strange = sorted(set(given) - {each.name for each in fields(cls)})
        if strange:
            raise WrongRule(f"{strange[0]}: a rule has no such field")
        missing = sorted({"service", "route", "fault"} - set(given))
        if missing:
            raise WrongRule(f"{missing[0]}: it is missing")
        return cls(**given)

    def matches(self, service: str, route: str, line: str) -> bool:
        """Whether this is a call that it is about."""
        if service != self.service:
            return False
        if self.fault != ANY and not FAULTS[service][self.fault].applies(route):
            return False
        return fnmatchcase(route, self.route) or bool(line and fnmatchcase(line, self.route))


@dataclass
class _Placed:
    """A rule at work."""

    rule: Rule
    chance: random.Random
    met: int = 0
    fired: int = 0
    drawn: list[str] = field(default_factory=list)

    def draw(self, route: str) -> str | None:
        """The fault of the next call that matches, if it is hit."""
        rule = self.rule
        self.met += 1
        if self.met <= rule.after or (rule.times is not None and self.fired >= rule.times):
            return None
        # Drawn for each call, so that what is drawn for one depends on no other rule.
        hit, choice = self.chance.random() < rule.share, self.chance.random()
        name = rule.fault if rule.fault != ANY else _any(rule.service, route, choice)
        if not hit or name is None:
            return None
        self.fired += 1
        self.drawn.append(name)
        return name


class Plan:
    """The rules at work, in memory only. The first that hits a call decides."""

    def __init__(self, rules: list[Rule] | None = None) -> None:
        self._placed: list[_Placed] = []
        self.put(rules or [])

    def put(self, rules: list[Rule]) -> None:
        """These rules from now on, and no other; all begin anew."""
        self._placed = [_Placed(rule, random.Random(rule.seed)) for rule in rules]  # noqa: S311

    def next(self, service: str, route: str, line: str = "") -> str | None:
        """The fault of a call, by name: `hetzner`, `POST /servers`. `line` is a whole command."""
        for placed in self._placed:
            if placed.rule.matches(service, route, line):
                name = placed.draw(route)
                if name is not None:
                    return name
        return None

    def told(self) -> list[dict[str, Any]]:
        """The rules, each with how many calls it met and which faults it gave."""
        return [
            {
                **asdict(placed.rule),
                "met": placed.met,
                "fired": placed.fired,
                "faults": placed.drawn,
            }
            for placed in self._placed
        ]


def _any(service: str, route: str, choice: float) -> str | None:
    """One of the passing faults that apply."""
    names = sorted(
        name for name, fault in FAULTS[service].items() if fault.passes and fault.applies(route)
    )
    return names[int(choice * len(names))] if names else None


def _whole(name: str, value: object, *, least: int, none: bool = False) -> None:
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise WrongRule(f"{name}: it is a whole number from {least}")
