"""A conversation of an assistant with a daemon, through the official client in either era."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp
from mcp import types
from mcp.client.stdio import stdio_client

from livchat.client.client import Client
from livchat.mcp import bridge
from tests.integration.daemon_process import DaemonProcess

ERAS = ("legacy", "2026-07-28")
SETUP = {"zone_name": "livchat.localhost", "subdomain": "lab", "ssl_email": "a@example.com"}


class Person:
    """Who is asked before something goes: keeps the questions, gives the answers."""

    def __init__(self, *, agrees: bool = True) -> None:
        self.agrees = agrees
        self.questions: list[str] = []

    async def __call__(self, context: Any, params: Any) -> types.ElicitResult:
        self.questions.append(params.message)
        return types.ElicitResult(action="accept", content={"confirmar": self.agrees})


class Assistant:
    """Calls tools by name and reads what they say."""

    def __init__(self, client: mcp.Client) -> None:
        self.client = client
        self.progress: list[tuple[float, float | None, str | None]] = []

    async def call(self, tool: str, **arguments: Any) -> types.CallToolResult:
        self.progress = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        found = await self.client.call_tool(tool, arguments, progress_callback=note)
        assert isinstance(found, types.CallToolResult)
        return found

    async def does(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed; its structured content."""
        found = await self.call(tool, **arguments)
        assert not found.is_error, said(found)
        structure: dict[str, Any] = found.structured_content
        return structure

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must fail; its error."""
        found = await self.call(tool, **arguments)
        assert found.is_error, said(found)
        assert found.structured_content is None
        block = found.content[-1]
        assert isinstance(block, types.TextContent)
        error: dict[str, Any] = json.loads(block.text)
        assert error["hint"], "an error says what to do next"
        return error

    async def finishes(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that starts a job, and wait for its end."""
        job_id = (await self.does(tool, **arguments))["job_id"]
        return await self.does("aguardar-job-completo", job_id=job_id)


def said(found: types.CallToolResult) -> str:
    """All text of a result."""
    return "\n".join(x.text for x in found.content if isinstance(x, types.TextContent))


@asynccontextmanager
async def in_memory(
    connect: Callable[[], Client], era: str, person: Person | None = None
) -> AsyncIterator[Assistant]:
    """An assistant beside the bridge, in this process."""
    made = bridge.server(connect)
    async with mcp.Client(made, mode=era, elicitation_callback=person) as client:
        yield Assistant(client)


@asynccontextmanager
async def over_stdio(
    daemon: DaemonProcess, era: str, person: Person | None = None, **environment: str
) -> AsyncIterator[Assistant]:
    """An assistant that has started `livchat mcp` as a process of its own."""
    how = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "livchat", "mcp"],
        env={**daemon.environment, **environment},
    )
    async with mcp.Client(stdio_client(how), mode=era, elicitation_callback=person) as client:
        yield Assistant(client)
