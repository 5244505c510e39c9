"""All workflows on one page."""

from __future__ import annotations

from typing import Any

from livchatd.jobs.step import Workflow
from livchatd.steps.deps import AppDeps, ServerDeps
from livchatd.steps.repair import ActiveServers
from livchatd.workflows.add_server import add_server
from livchatd.workflows.create_server import create_server
from livchatd.workflows.delete_app import delete_app
from livchatd.workflows.delete_server import delete_server
from livchatd.workflows.deploy_app import deploy_app
from livchatd.workflows.repair import repair
from livchatd.workflows.setup_server import setup_server
from livchatd.workflows.up import up


def workflows(
    server: ServerDeps, apps: AppDeps, active_servers: ActiveServers
) -> list[Workflow[Any, Any]]:
    """Return every workflow; `active_servers` returns the servers at which a job is at work."""
    return [
        create_server(server),
        add_server(server),
        setup_server(apps),
        deploy_app(apps),
        up(server, apps),
        delete_app(apps),
        delete_server(server),
        repair(server, active_servers),
    ]
