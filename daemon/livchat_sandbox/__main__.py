"""Runs the sandbox: `python -m livchat_sandbox --folder DIR`."""

from __future__ import annotations

from livchat_sandbox.main import main

main()
