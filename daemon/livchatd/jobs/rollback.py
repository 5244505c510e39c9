"""The way back: undo in reverse what a job did, never what it found, and tell what is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from livchat.errors import LivChatError
from livchat.wire.jobs import Rollback, StepStatus
from livchatd.jobs.active import Live, LiveStep
from livchatd.jobs.recorder import Recorder
from livchatd.jobs.retry import Patience, passes
from livchatd.jobs.step import Retry, Step
from livchatd.jobs.step_context import StepRun
from livchatd.storage.database import now

logger = logging.getLogger(__name__)

TRIES = 4
"""How often an undo is tried at least where it fails for a passing reason."""
DEADLINE = 300.0
"""Seconds that one undo may take."""

_DID = frozenset(
    {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.RUNNING}
)


@dataclass
class Undo:
    """What came of it: how clean it is, and what is left, in a person's words."""

    rollback: Rollback = Rollback.NONE
    left: list[str] = field(default_factory=list)

    @classmethod
    def of_all(cls, live: Live, recorder: Recorder, redact: Callable[[str], str]) -> Undo:
        """Nothing was undone: all that the job did is left."""
        left: list[str] = []
        for step in _did(live):
            left.extend(_leaves(live, step, StepRun(live, step, recorder, redact)))
        return cls(Rollback.NONE, left)


async def undo(
    live: Live,
    recorder: Recorder,
    redact: Callable[[str], str],
    patience: Patience,
    *,
    lane: str | None,
    everything: bool,
) -> Undo:
    """Undo the steps of a lane, or all; those `inside` one that is undone go with it."""
    did = _did(live)
    chosen = [s for s in did if everything or (lane and live.plan[s.key].lane == lane)]
    undoable = {s.key for s in chosen if type(live.plan[s.key]).undo is not Step.undo}
    undone = any(s.status is StepStatus.UNDONE for s in live.steps)
    left: dict[str, list[str]] = {}
    for step in reversed(did):
        if not undoable.isdisjoint(_around(live, step)):
            continue
        run = StepRun(live, step, recorder, redact)
        inside = [s for s in did if step.key in _around(live, s)]
        if step.key in undoable and not live.force:
            if await _undo_one(live, step, run, patience):
                undone = True
                await _gone(live, recorder, step, inside)
                continue
            await _half_undone(live, recorder, step)
        left[step.key] = _leaves(live, step, run)
        if step.key in undoable:
            left.update((s.key, _leaves(live, s, run)) for s in inside)
    remains = [words for step in live.steps for words in left.get(step.key, [])]
    remains += [f"'{step.title}' was given up while it was at work" for step in live.abandoned]
    return Undo(_rollback(chosen, remains, undone=undone, everything=everything), remains)


def _rollback(
    chosen: list[LiveStep], remains: list[str], *, undone: bool, everything: bool
) -> Rollback:
    if not chosen and not undone:
        return Rollback.NONE
    if remains:
        return Rollback.PARTIAL if everything or undone else Rollback.NONE
    return Rollback.CLEAN


async def halt(
    live: Live, recorder: Recorder, redact: Callable[[str], str], patience: Patience
) -> None:
    """Stop what interrupted steps left at work, now or before a crash.

    What is inside a thing that will be undone goes with it.
    """
    did = {step.key for step in _did(live)}
    for step in _did(live):
        plan = live.plan[step.key]
        if step.status is StepStatus.COMPLETED or step in live.abandoned:
            continue
        if type(plan).halt is Step.halt:
            continue
        if live.cancel_requested and not did.isdisjoint(_around(live, step)):
            continue
        run = StepRun(live, step, recorder, redact)
        if not await _patiently(live, step, partial(plan.halt, run), run, patience):
            live.abandoned.append(step)


async def _undo_one(live: Live, step: LiveStep, run: StepRun, patience: Patience) -> bool:
    """Undo one step; whether it is undone."""
    return await _patiently(live, step, partial(live.plan[step.key].undo, run), run, patience)


async def _patiently(
    live: Live,
    step: LiveStep,
    work: Callable[[], Coroutine[Any, Any, None]],
    run: StepRun,
    patience: Patience,
) -> bool:
    """Do it, with patience for what passes; whether it is done."""
    failing: float | None = None
    for tries in count(1):
        try:
            return await _bounded(live, work())
        except (LivChatError, Retry, TimeoutError) as error:
            failing = failing or monotonic()
            run.log(f"cannot undo this yet: {error}", "warning")
            outage = live.plan[step.key].outage
            over = patience.over(tries, TRIES, monotonic() - failing, outage)
            if over or not passes(error) or not await _rest(live, patience.pause(error, tries)):
                return False
        except Exception:
            logger.exception("job %s: undo of %s", live.job_id, step.title)
            return False
    return False


async def _rest(live: Live, seconds: float) -> bool:
    """Pause before the next try; False as soon as a person gives it up."""
    until = monotonic() + seconds
    while not live.force and (left := until - monotonic()) > 0:  # noqa: ASYNC110 - a flag
        await asyncio.sleep(min(left, 0.2))
    return not live.force


async def _bounded(live: Live, undoing: Coroutine[Any, Any, None]) -> bool:
    """Wait for an undo, unless it takes too long or a person gives it up; whether it ended."""
    work = asyncio.create_task(undoing)
    try:
        async with asyncio.timeout(DEADLINE):
            while not work.done() and not live.force:
                await asyncio.wait({work}, timeout=0.2)
        if work.done():
            await work
        return work.done()
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=5)


async def _gone(live: Live, recorder: Recorder, step: LiveStep, inside: list[LiveStep]) -> None:
    for one in (*inside, step):
        one.status = StepStatus.UNDONE
        one.completed_at = now()
    await recorder.change(live, [*inside, step], {}, kind="step")


async def _half_undone(live: Live, recorder: Recorder, step: LiveStep) -> None:
    """Part of it may be gone: a retry must not take it for done."""
    step.status = StepStatus.FAILED
    step.error = step.error or "it could not be undone"
    await recorder.change(live, [step], {}, kind="step")


def _around(live: Live, step: LiveStep) -> set[str]:
    """The keys of the steps that this one is inside of, from the nearest outwards."""
    found: set[str] = set()
    key = live.plan[step.key].inside
    while key is not None and key in live.plan:
        found.add(key)
        key = live.plan[key].inside
    return found


def _did(live: Live) -> list[LiveStep]:
    return [step for step in live.steps if step.touched and step.status in _DID]


def _leaves(live: Live, step: LiveStep, run: StepRun) -> list[str]:
    try:
        return live.plan[step.key].leaves(run)
    except Exception:
        logger.exception("job %s: what %s leaves", live.job_id, step.title)
        return [step.title]
