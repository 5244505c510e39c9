"""The MCP Inspector's own command line finds the tools strictly clean, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.daemon_process import DaemonProcess

FOUND = os.environ.get("MCP_INSPECTOR") or shutil.which("mcp-inspector")


def inspect(daemon: DaemonProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert FOUND is not None
    names = ("LIVCHAT_HOME", "LIVCHAT_SANDBOX_TIME_SCALE", "PYTHONPATH")
    settings = [part for name in names for part in ("-e", f"{name}={daemon.environment[name]}")]
    # It brings the node that it needs in the same folder.
    path = f"{Path(FOUND).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [FOUND, "--cli", *settings, sys.executable, "-m", "livchat", "mcp", *arguments, "-q"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        timeout=100,
        check=False,
    )


@pytest.mark.skipif(FOUND is None, reason="no mcp-inspector: npm i @modelcontextprotocol/inspector")
def test_the_inspector_lists_sixteen_clean_tools_and_calls_one(daemon: DaemonProcess) -> None:
    listed = inspect(daemon, "--method", "tools/list", "--strict")
    assert listed.returncode == 0, listed.stderr
    assert "Warning" not in listed.stderr + listed.stdout
    assert len(json.loads(listed.stdout)["tools"]) == 16
    order = json.dumps({"name": "a", "provider": "sandbox"})
    call = ("--method", "tools/call", "--tool-name", "criar-servidor", "--tool-args-json", order)
    made = inspect(daemon, *call, "--protocol-era", "modern", "--format", "json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["result"]["structuredContent"]["server_name"] == "a"
