"""How tests are shared out among processes: whole files, the longest first, a real server to one.

The functions are hooks of pytest and pytest-xdist; `conftest.py` imports them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

WORKERS_AT_MOST = 8
LONGEST = (
    "tests/e2e/test_firewall.py",
    "tests/e2e/test_apps_that_fail.py",
    "tests/e2e/test_up.py",
    "tests/e2e/test_set_up.py",
    "tests/e2e/test_debian_12.py",
    "tests/e2e/test_n8n.py",
    "tests/e2e/test_refusals.py",
    "tests/integration/workflows/test_whole_life.py",
    "tests/integration/workflows/test_firewall.py",
    "tests/integration/workflows/test_cancel_each_step.py",
    "tests/contract/test_api_schema.py",
    "tests/integration/workflows/test_doctor.py",
    "tests/integration/daemon/test_shutdown.py",
    "tests/integration/providers/test_fallback.py",
    "tests/integration/mcp/test_waiting.py",
    "tests/integration/workflows/test_certificates.py",
    "tests/integration/api/test_requests.py",
    "tests/integration/cli/test_command_line.py",
)
"""They are begun first: one of them begun last would keep a single process busy."""
TOGETHER = {
    "tests/e2e/test_firewall.py": "the standing server",
    "tests/e2e/test_apps_that_fail.py": "the standing server",
}
"""Files that share a dear fixture of the session, which each process makes for itself."""


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole files in their order, and files that belong together as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        return TOGETHER.get(file, file)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one process more than there are processors, since tests wait; none for named files."""
    if all("::" in name or Path(name).is_file() for name in config.args):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, WORKERS_AT_MOST)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileScheduling:
    """Return this project's scheduler, whatever `--dist` says."""
    config.option.loadscopereorder = False  # the order is that of the collection
    return FileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first in a process that shares; one alone keeps the files' order."""
    if hasattr(config, "workerinput"):
        rank = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(_file(item.nodeid), len(rank)))
