"""Secret answers to the questions of apps."""

from __future__ import annotations

Params = dict[str, dict[str, str]]
"""Secret answers by app and question."""
