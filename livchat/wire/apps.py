"""Apps: the catalog, and what runs on a server."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from livchat.wire.base import AppName, Request, VariableName, VariableValue, Wire


class AppStatus(StrEnum):
    """Where an app stands on its server."""

    DEPLOYING = "deploying"
    RUNNING = "running"
    FAILED = "failed"
    DELETING = "deleting"


class DeployApp(Request):
    """An app to be deployed; `config` answers the questions that its definition asks."""

    app_name: AppName
    config: dict[VariableName, VariableValue] = Field(default_factory=dict, max_length=100)


class CatalogApp(Wire):
    """An app of the catalog."""

    name: str
    title: str
    version: str
    category: str
    description: str
    depends_on: list[str]
    ram_mb: int
    params: dict[str, Any]
    routes: list[str]
    license: str
    status: str
    notes: str | None = None


class Catalog(Wire):
    """The catalog."""

    apps: list[CatalogApp]
    total: int


class InstalledApp(Wire):
    """An app on a server."""

    app_name: str
    version: str
    domain: str | None
    url: str | None
    status: AppStatus
    deployed_at: str
    depends_on: list[str]


class InstalledApps(Wire):
    """The apps of a server."""

    apps: list[InstalledApp]
    server_name: str
    total: int
