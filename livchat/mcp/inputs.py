"""Arguments of the tools: the wire models, with the names that stand in a route's path."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, StringConstraints

from livchat.job_state import JobStatus
from livchat.wire.apps import DeployApp
from livchat.wire.base import AppName, Email, ProviderName, Request, ResourceName, ServerName
from livchat.wire.servers import ExecCommand, SetupServer

MAX_WAIT = 600

JobId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class NoInput(Request):
    """No arguments."""


class ServerInput(Request):
    """A server that is there."""

    server_name: ServerName = Field(validation_alias=AliasChoices("server_name", "name"))


class ConfirmedInput(Request):
    """What a person has to agree to; `confirmar` is for clients that cannot ask them."""

    confirmar: str | None = Field(None, max_length=40_000)


class ProviderInput(Request):
    """A provider's token; without one, the token that is kept is tried."""

    name: ProviderName = "hetzner"
    token: Secret | None = None
    verify: bool = True


class CloudflareInput(Request):
    """Cloudflare's credentials; without any, those that are kept are tried."""

    api_token: Secret | None = None
    email: Email | None = None
    api_key: Secret | None = None
    verify: bool = True


class CreateServerInput(ConfirmedInput):
    """A server to be made at a provider; one of your own is added in the terminal."""

    name: ServerName = Field(validation_alias=AliasChoices("name", "server_name"))
    server_type: ResourceName | None = None
    region: ResourceName | None = None
    image: ResourceName | None = None
    provider: ProviderName | None = None
    cpu: int | None = Field(None, ge=1, le=512)
    ram: float | None = Field(None, gt=0, le=4096)


class SetupServerInput(SetupServer, ServerInput):
    """A server to be set up."""


class DeployAppInput(DeployApp, ServerInput):
    """An app to be deployed on a server."""


class DeleteAppInput(ConfirmedInput, ServerInput):
    """An app to be deleted from a server."""

    app_name: AppName


class DeleteServerInput(ConfirmedInput, ServerInput):
    """A server to be deleted."""


class ExecInput(ExecCommand, ConfirmedInput, ServerInput):
    """A command to be run on a server."""


class JobInput(Request):
    """A job that is there."""

    job_id: JobId = Field(validation_alias=AliasChoices("job_id", "jobId"))


class WaitForJobInput(JobInput):
    """A job to wait for, and for how many seconds at most."""

    max_wait: int = Field(50, ge=0, le=MAX_WAIT, validation_alias=AliasChoices("maxWait"))


class ListJobsInput(Request):
    """Which jobs; `cursor` is the `next_cursor` of the page before."""

    status: JobStatus | None = None
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    server: ServerName | None = None
    limit: int = Field(20, ge=1, le=100)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")] | None = None


def body(request: Request) -> dict[str, Any]:
    """The arguments that travel in the body of the HTTP request."""
    return request.model_dump(mode="json", exclude={"server_name", "confirmar"}, exclude_none=True)


def server_of(request: Request) -> str:
    """The name of the server that a request is for; empty where it is for none."""
    if isinstance(request, CreateServerInput):
        return request.name
    name: str = getattr(request, "server_name", "")
    return name


def secret_value(secret: SecretStr | None) -> str | None:
    """A credential as it travels to the daemon."""
    return secret.get_secret_value() if secret else None
