"""A job's state by its events: the snapshot with each applied is what the daemon would give."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from livchat.job_state import (
    ENDED,
    LOG_TAIL,
    STEP_ENDED,
    JobStatus,
    StepStatus,
    apply_event,
)

Json = dict[str, Any]

NAMES = ["Order machine", "Wait for SSH", "Install Docker"]
STEPS = st.builds(
    lambda name, status: {"name": name, "status": status},
    st.sampled_from([*NAMES, "Unknown"]),
    st.sampled_from([status.value for status in StepStatus]),
)
EVENTS = st.fixed_dictionaries(
    {"job_id": st.just("job_1")},
    optional={
        "job": st.dictionaries(st.sampled_from(["status", "progress", "result"]), st.integers()),
        "step": st.none() | STEPS,
        "log": st.none() | st.fixed_dictionaries({"message": st.text(max_size=5)}),
    },
)


def job(lines: int = 0) -> Json:
    return {
        "job_id": "job_1",
        "status": "running",
        "steps": [{"name": name, "status": "pending"} for name in NAMES],
        "logs": [{"message": str(number)} for number in range(lines)],
        "cursor": "e-0",
    }


@given(st.lists(EVENTS, max_size=8), st.integers(min_value=0, max_value=LOG_TAIL))
def test_a_job_holds_the_last_word_on_each_field_step_and_line(
    events: list[Json], lines: int
) -> None:
    after = job(lines)
    for number, event in enumerate(events, start=1):
        before, sent = copy.deepcopy(after), copy.deepcopy(event)
        next_one = apply_event(after, event, f"e-{number}")
        assert (after, event) == (before, sent), "neither argument is changed"
        after = next_one
    changes = [field for event in events for field in (event.get("job") or {}).items()]
    assert {name: after[name] for name, _ in changes} == dict(changes)
    told = {event["step"]["name"]: event["step"]["status"] for event in events if event.get("step")}
    assert [(step["name"], step["status"]) for step in after["steps"]] == [
        (name, told.get(name, "pending")) for name in NAMES
    ]
    logged = [event["log"] for event in events if event.get("log")]
    assert after["logs"] == [*job(lines)["logs"], *logged][-LOG_TAIL:]
    assert after["cursor"] == f"e-{len(events)}"


def test_statuses_are_their_text() -> None:
    assert {"completed", "failed", "cancelled"} == set(ENDED)
    assert [status for status in JobStatus if status.ended] == sorted(
        ENDED, key=list(JobStatus).index
    )
    assert {"completed", "skipped", "failed", "undone", "cancelled"} == set(STEP_ENDED)
