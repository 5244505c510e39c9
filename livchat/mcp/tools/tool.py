"""What a tool is: its name and description, models, the call that it makes, what it may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from livchat.client.client import Client
from livchat.mcp import outputs
from livchat.mcp.confirmation.question import PreparedCall
from livchat.mcp.outputs import ExecOutput, JobOutput, StartedOutput
from livchat.wire.base import Request, Wire

Json = dict[str, Any]


class Effect(Enum):
    """What a tool may do, as its annotations say it: read-only, destructive, idempotent."""

    READS = (True, False, True)
    MAKES = (False, False, True)
    DESTROYS = (False, True, True)
    RUNS = (False, True, False)


@dataclass(frozen=True)
class Tool:
    """A tool. `call` makes its request; `prepare` finds what a person has to agree to first."""

    name: str
    title: str
    description: str
    effect: Effect
    input_model: type[Request]
    output_model: type[Wire]
    call: Callable[[Client, Any], Json]
    prepare: Callable[[Client, Any], PreparedCall] | None = None

    @property
    def starts_job(self) -> bool:
        """Whether its result is a job."""
        return self.output_model is StartedOutput

    @property
    def deduplicated(self) -> bool:
        """Whether the same call again within a conversation is not made a second time."""
        return self.starts_job or self.effect is Effect.RUNS


def structured_output(tool: Tool, response: Json) -> Json:
    """The structured content of a result, from what the tool's call returned."""
    if tool.output_model is JobOutput:
        return outputs.job_output(response)
    if tool.output_model is StartedOutput:
        return outputs.started_output(response, repeated=False)
    if tool.output_model is ExecOutput:
        return outputs.exec_output(response)
    return response
