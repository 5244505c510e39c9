"""The plan of faults: rules say which calls fail, how and how often; same calls, same faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from livchat_sandbox.faults.registry import ANY, FAULTS

FaultDraw = Callable[[str, str, str], str | None]
"""Is given a call (service, route, whole command line or nothing); returns its fault's name."""


def no_faults(_service: str, _route: str, _command_line: str) -> None:
    """A `FaultDraw` under which nothing fails."""


class InvalidRule(ValueError):
    """A rule names an unknown service or fault, or has a field with an impossible value."""


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
            raise InvalidRule(f"service: there is no {self.service}; there are {', '.join(FAULTS)}")
        if self.fault != ANY and self.fault not in known:
            raise InvalidRule(
                f"fault: {self.service} has no {self.fault}; it has {', '.join(sorted(known))}"
            )
        if not self.route or not isinstance(self.route, str):
            raise InvalidRule("route: it is a method and a path, or a command, maybe with *")
        _check_whole_number("times", self.times, least=1, optional=True)
        _check_whole_number("after", self.after, least=0)
        _check_whole_number("seed", self.seed, least=0)
        if isinstance(self.share, bool) or not isinstance(self.share, int | float):
            raise InvalidRule("share: it is a number")
        if not 0 < self.share <= 1:
            raise InvalidRule("share: it is more than 0, and at most 1")

    @classmethod
    def from_json(cls, data: object) -> Rule:
        """Return the rule in JSON data; raise `InvalidRule` if it is none."""
        if not isinstance(data, Mapping):
            raise InvalidRule("a rule is an object")
        unknown = sorted(set(data) - {each.name for each in fields(cls)})
        if unknown:
            raise InvalidRule(f"{unknown[0]}: a rule has no such field")
        missing = sorted({"service", "route", "fault"} - set(data))
        if missing:
            raise InvalidRule(f"{missing[0]}: it is missing")
        return cls(**data)

    def matches(self, service: str, route: str, command_line: str) -> bool:
        """Whether a call is one that the rule is about, by its route or by its whole line."""
        if service != self.service:
            return False
        if self.fault != ANY and not FAULTS[service][self.fault].applies(route):
            return False
        return fnmatchcase(route, self.route) or bool(
            command_line and fnmatchcase(command_line, self.route)
        )


@dataclass
class _ActiveRule:
    """A rule at work, with the calls that it met and the faults that it gave them."""

    rule: Rule
    random: random.Random
    calls: int = 0
    drawn: list[str] = field(default_factory=list)

    def draw(self, route: str) -> str | None:
        """Return the name of the fault of the next call that matches, or None if it is spared."""
        rule = self.rule
        self.calls += 1
        if self.calls <= rule.after or (rule.times is not None and len(self.drawn) >= rule.times):
            return None
        # Both numbers are drawn for each call, so that one call's draw depends on no other rule.
        hit, choice = self.random.random() < rule.share, self.random.random()
        name = rule.fault if rule.fault != ANY else _draw_transient(rule.service, route, choice)
        if not hit or name is None:
            return None
        self.drawn.append(name)
        return name


class FaultPlan:
    """The rules at work, in memory only. The first rule that hits a call decides."""

    def __init__(self, rules: list[Rule] | None = None) -> None:
        self._active: list[_ActiveRule] = []
        self.set_rules(rules or [])

    def set_rules(self, rules: list[Rule]) -> None:
        """Replace all rules by these; each begins with no call met and its seed anew."""
        self._active = [_ActiveRule(rule, random.Random(rule.seed)) for rule in rules]  # noqa: S311

    def draw(self, service: str, route: str, command_line: str = "") -> str | None:
        """Return the name of a call's fault, or None: `draw("hetzner", "POST /servers")`."""
        for active in self._active:
            if active.rule.matches(service, route, command_line):
                name = active.draw(route)
                if name is not None:
                    return name
        return None

    def report(self) -> list[dict[str, Any]]:
        """Return the rules as JSON data, each with the calls that it met and the faults it gave."""
        return [
            {
                **asdict(active.rule),
                "met": active.calls,
                "fired": len(active.drawn),
                "faults": active.drawn,
            }
            for active in self._active
        ]


def _draw_transient(service: str, route: str, choice: float) -> str | None:
    """Return one of the transient faults that can happen to a route, by a number from 0 to 1."""
    names = sorted(
        name for name, fault in FAULTS[service].items() if fault.transient and fault.applies(route)
    )
    return names[int(choice * len(names))] if names else None


def _check_whole_number(name: str, value: object, *, least: int, optional: bool = False) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidRule(f"{name}: it is a whole number from {least}")
