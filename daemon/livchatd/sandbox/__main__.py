"""Runs the sandbox: `python -m livchatd.sandbox --folder DIR`."""

from __future__ import annotations

from livchatd.sandbox.main import main

main()
