"""All workflows on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from livchatd.jobs.step import Workflow
from livchatd.steps.deps import Tools
from livchatd.workflows.add_server import add_server
from livchatd.workflows.create_server import create_server
from livchatd.workflows.delete_app import delete_app
from livchatd.workflows.delete_server import delete_server
from livchatd.workflows.deploy_app import deploy_app
from livchatd.workflows.repair import mend
from livchatd.workflows.setup_server import setup_server
from livchatd.workflows.up import up


def workflows(tools: Tools, busy: Callable[[], Iterable[str]] = tuple) -> list[Workflow[Any, Any]]:
    """Every workflow, with its tools; `busy` gives the servers at which jobs are at work."""
    return [
        create_server(tools),
        add_server(tools),
        setup_server(tools),
        deploy_app(tools),
        up(tools),
        delete_app(tools),
        delete_server(tools),
        mend(tools, busy),
    ]
