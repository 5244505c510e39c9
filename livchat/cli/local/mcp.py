"""The bridge for AI assistants: livchat mcp."""

from __future__ import annotations

import typer

from livchat.cli.session.connect import connect

cli = typer.Typer(add_completion=False)


@cli.command()
def mcp() -> None:
    """Serve an AI assistant over MCP, on stdin and stdout.

    Example: livchat mcp
    """
    from livchat.mcp import bridge

    bridge.run(connect)
