"""Mend what the doctor found: names first, then machines, then the addresses that they had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field

from livchatd.jobs.step import Workflow
from livchatd.steps.deps import Tools
from livchatd.steps.params import Order
from livchatd.steps.repair import (
    DeleteThing,
    MendLearnt,
    MendRecord,
    MendStep,
    RecordOrder,
    ThingOrder,
)

Busy = Callable[[], Iterable[str]]


class MendOrder(Order):
    """What is to be mended; each is looked at once more before that."""

    things: list[ThingOrder] = Field(default_factory=list)
    records: list[RecordOrder] = Field(default_factory=list)


def mend(tools: Tools, busy: Busy) -> Workflow[MendOrder, MendLearnt]:
    return Workflow(
        name="mend",
        params=MendOrder,
        learnt=MendLearnt,
        steps=lambda order: mend_steps(tools, busy, order),
        result=lambda _, learnt: told(learnt),
    )


def told(learnt: MendLearnt) -> dict[str, Any]:
    """What was mended, and what was left as it is with the reason."""
    left = [f"{finding} ({why})" for finding, why in learnt.kept.items()]
    return {"mended": learnt.mended, "left": left}


def mend_steps(tools: Tools, busy: Busy, order: MendOrder) -> list[MendStep]:
    records = [
        MendRecord(key=f"record.{n}", tools=tools, busy=busy, order=one)
        for n, one in enumerate(order.records, start=1)
    ]
    # An address given back while names still point at it serves whoever gets it next.
    after: tuple[str, ...] = tuple(step.key for step in records)
    steps: list[MendStep] = [*records]
    for kind in ("machine", "address", "key"):
        made = [
            DeleteThing(key=f"{kind}.{n}", after=after, tools=tools, busy=busy, order=one)
            for n, one in enumerate((t for t in order.things if t.kind == kind), start=1)
        ]
        steps += made
        after = (*after, *(step.key for step in made))
    return steps
