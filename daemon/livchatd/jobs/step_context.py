"""What a step sees of its job, made for one step of one live job."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from livchat.wire.jobs import ENDED
from livchatd.jobs.active import Live, LiveStep
from livchatd.jobs.recorder import Recorder
from livchatd.storage.database import now

LONGEST = 4000
"""Characters of one log line that are kept."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")


class StepRun:
    """The explicit handle by which a step logs, tells progress and saves what it learnt."""

    def __init__(
        self, live: Live, step: LiveStep, recorder: Recorder, redact: Callable[[str], str]
    ) -> None:
        self._live = live
        self._step = step
        self._recorder = recorder
        self._redact = redact

    @property
    def job_id(self) -> str:
        """The job."""
        return self._live.job_id

    @property
    def origin(self) -> str:
        """The first job of a chain of retries."""
        return self._live.origin

    @property
    def learnt(self) -> Any:
        """What has been learnt."""
        return self._live.learnt

    @property
    def attempt(self) -> int:
        """1 at the first try of this step."""
        return self._step.attempt

    async def save(self) -> None:
        """Make what has been learnt durable now."""
        if self._live.ended.is_set():
            raise asyncio.CancelledError
        await self._recorder.save(self._live)

    def log(self, message: str, level: str = "info") -> None:
        """Add lines to the job's log, under this step."""
        if self._live.status in ENDED:
            return  # given up, and still at work: nothing comes after the end
        for text in clean(self._redact(message)):
            line = {"timestamp": now(), "level": level, "step": self._step.title, "message": text}
            self._recorder.log(self._live, line)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Say how far this step is."""
        told = {"done": done, "total": total, "unit": unit}
        if told != self._step.progress:
            self._step.progress = told
            self._step.told += 1


def clean(message: str) -> list[str]:
    """Lines without control characters or terminal sequences, none longer than 4,000 characters."""
    text = _ESCAPES.sub("", message).replace("\r\n", "\n").replace("\r", "\n")
    lines = (_CONTROL.sub("", line).rstrip() for line in text.split("\n"))
    return [line[:LONGEST] for line in lines if line]
