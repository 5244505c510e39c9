"""The plan of faults: which calls it hits, and that the same calls meet the same faults."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchat_sandbox.faults.plan import FaultPlan, InvalidRule, Rule
from livchat_sandbox.faults.registry import ANY, FAULTS
from livchat_sandbox.ssh.faults import command_route

CALLS = st.lists(
    st.sampled_from(
        [
            ("hetzner", "POST /servers"),
            ("hetzner", "GET /servers/{id}"),
            ("cloudflare", "GET /zones"),
            ("portainer", "connect"),
            ("ssh", "docker stack deploy"),
            ("ssh", "connect"),
        ]
    ),
    max_size=60,
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    service = draw(st.sampled_from(sorted(FAULTS)))
    return Rule(
        service=service,
        route=draw(st.sampled_from(["*", "POST *", "GET *", "docker *", "connect"])),
        fault=draw(st.sampled_from([ANY, *sorted(FAULTS[service])])),
        times=draw(st.none() | st.integers(1, 5)),
        after=draw(st.integers(0, 5)),
        share=draw(st.floats(0.05, 1)),
        seed=draw(st.integers(0, 9)),
    )


def met(plan: FaultPlan, calls: list[tuple[str, str]]) -> list[str | None]:
    return [plan.draw(service, route) for service, route in calls]


@given(st.lists(rules(), max_size=4), CALLS)
def test_the_same_calls_meet_the_same_faults(given: list[Rule], calls: list[Any]) -> None:
    assert met(FaultPlan(given), calls) == met(FaultPlan(given), calls)


@given(rules(), CALLS)
def test_a_rule_hits_no_more_than_it_says_and_only_what_can_have_it(
    rule: Rule, calls: list[Any]
) -> None:
    plan = FaultPlan([rule])
    found = met(plan, calls)
    hits = [(call, name) for call, name in zip(calls, found, strict=True) if name is not None]
    assert rule.times is None or len(hits) <= rule.times
    for (service, called), name in hits:
        assert service == rule.service
        assert FAULTS[service][name].applies(called)
        assert rule.fault in {ANY, name}
    told = plan.report()[0]
    assert (told["fired"], told["faults"]) == (len(hits), [name for _, name in hits])
    assert told["met"] >= told["fired"] + min(rule.after, told["met"] - told["fired"])


@given(st.integers(0, 5), st.integers(1, 5))
def test_the_first_calls_are_spared_and_then_so_many_are_hit(after: int, times: int) -> None:
    plan = FaultPlan([Rule("hetzner", "GET *", "reset", times=times, after=after)])
    found = [plan.draw("hetzner", "GET /servers") for _ in range(12)]
    assert found == ([None] * after + ["reset"] * times + [None] * 12)[:12]


def test_calls_of_other_routes_and_services_are_left_alone() -> None:
    plan = FaultPlan([Rule("hetzner", "POST /servers", "lost", times=None)])
    assert plan.draw("hetzner", "GET /servers") is None
    assert plan.draw("cloudflare", "POST /servers") is None
    assert plan.draw("hetzner", "POST /servers") == "lost"


def test_a_command_is_hit_by_its_name_or_by_its_whole_line() -> None:
    line = "docker stack deploy --prune -c - traefik"
    for pattern in ("docker stack deploy", "*traefik"):
        plan = FaultPlan([Rule("ssh", pattern, "disk_full")])
        assert plan.draw("ssh", command_route(line), line) == "disk_full"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("docker secret inspect n8n_key", "docker secret inspect"),
        ("docker ps --no-trunc", "docker ps"),
        ("install -D -m 0600 /dev/stdin /x", "install"),
        ("systemctl show livchat-1 -p LoadState", "systemctl show"),
        (
            "systemd-run --unit=a -p RemainAfterExit=yes -- apt-get -o A=3 install -y docker.io",
            "systemd-run apt-get install",
        ),
        ("echo 'unclosed", "echo"),
    ],
)
def test_commands_are_called_without_their_data(line: str, name: str) -> None:
    assert command_route(line) == name


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"service": "aws", "route": "*", "fault": "reset"}, "there is no aws"),
        ({"service": "hetzner", "route": "*", "fault": "flood"}, "hetzner has no flood"),
        ({"service": "hetzner", "route": "", "fault": "reset"}, "route"),
        ({"service": "hetzner", "route": "*", "fault": "reset", "times": 0}, "times"),
        ({"service": "hetzner", "route": "*", "fault": "reset", "times": True}, "times"),
        ({"service": "hetzner", "route": "*", "fault": "reset", "after": -1}, "after"),
        ({"service": "hetzner", "route": "*", "fault": "reset", "share": 0}, "share"),
        ({"service": "hetzner", "route": "*", "fault": "reset", "often": 2}, "no such field"),
        ({"service": "hetzner", "fault": "reset"}, "route"),
        ("reset", "a rule is an object"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong: Any, why: str) -> None:
    with pytest.raises(InvalidRule, match=why):
        Rule.from_json(wrong)
