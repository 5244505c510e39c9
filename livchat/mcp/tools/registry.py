"""All sixteen tools, in the order in which they are listed."""

from __future__ import annotations

from livchat.mcp.tools import apps, config, jobs, servers

TOOLS = (*config.TOOLS, *jobs.TOOLS, *servers.TOOLS, *apps.TOOLS)
BY_NAME = {tool.name: tool for tool in TOOLS}
