"""The whole API on one page: the source of the router, of OpenAPI and of who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from pydantic import BaseModel

from livchat.wire.apps import Catalog, CatalogApp, DeployApp, InstalledApps
from livchat.wire.config import (
    ConfigureCertificates,
    ConfigureCloudflare,
    ConfigureProvider,
    Done,
    Init,
)
from livchat.wire.doctor import Diagnosis, MendFindings
from livchat.wire.jobs import Accepted, CancelAnswer, Job, JobEvent, JobList, JobLogs
from livchat.wire.providers import Images, Locations, ServerTypes
from livchat.wire.secrets import PutSecret, Secret, SecretList
from livchat.wire.servers import (
    CreateServer,
    ExecCommand,
    ExecResult,
    Server,
    ServerList,
    SetupServer,
    SshAccess,
)
from livchat.wire.system import Health, Root
from livchat.wire.up import Plan, Up
from livchatd.api import apps, docs, doctor, jobs, providers, secrets, servers, streams, system
from livchatd.api.docs import DOCUMENT, Document
from livchatd.api.http import queries
from livchatd.api.http.messages import BODY_LIMIT, ORCHESTRATOR, Handler, mark
from livchatd.api.middleware.audit import audited
from livchatd.api.middleware.auth import LOOPBACK_NAMES, Access, Guard
from livchatd.api.middleware.errors import GUARD, READY, errors
from livchatd.api.middleware.idempotency import Once
from livchatd.api.streams import WATCHERS, Watchers
from livchatd.api.system import STARTED
from livchatd.operations.orchestrator import Orchestrator

JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"
OWNER, OPEN = Access.OWNER, Access.OPEN


@dataclass(frozen=True)
class Route:
    """One method of one path: what it takes, what it gives and who may ask for it.

    `answer` is the model of the answer, or of each event of a stream; `plan` that of the answer
    (200) to `?plan=true`.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    media: str = JSON
    plan: type[BaseModel] | None = None

    @property
    def mutates(self) -> bool:
        """Whether it changes something, so that it takes an Idempotency-Key."""
        return self.method != "GET"

    @property
    def open(self) -> bool:
        """Whether it needs no token over TCP."""
        return self.access is OPEN

    @property
    def name(self) -> str:
        """The name of its operation: the handler's module and function."""
        return f"{self.handler.__module__.rpartition('.')[2]}_{self.handler.__qualname__}"


def _get(
    path: str,
    handler: Handler,
    summary: str,
    answer: type[BaseModel],
    query: type[BaseModel] | None = None,
) -> Route:
    return Route("GET", path, handler, OWNER, summary, answer, query=query)


def _stream(path: str, handler: Handler, summary: str) -> Route:
    return Route(
        "GET", path, handler, OWNER, summary, JobEvent, query=queries.EventsQuery, media=EVENTS
    )


def _job(
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
) -> Route:
    """A route that starts a job, or tells what it would do where its query asks for a plan."""
    plan = Plan if query is queries.PlanQuery else None
    return Route(
        method, path, handler, OWNER, summary, Accepted, body, query, status=202, plan=plan
    )


ROUTES = (
    _get("/", system.root, "Who answers here", Root),
    _get("/health", system.health, "How the daemon is", Health),
    Route("GET", "/openapi.json", docs.openapi, OPEN, "This API as OpenAPI 3.1", None),
    Route("GET", "/docs", docs.page, OPEN, "This API as a page to read", None, media=HTML),
    Route("POST", "/api/init", system.init, OWNER, "Make the folders and the vault", Done, Init),
    Route(
        "POST", "/api/config/provider", system.configure_provider, OWNER,
        "Try and keep a provider's token", Done, ConfigureProvider,
    ),
    Route(
        "POST", "/api/config/cloudflare", system.configure_cloudflare, OWNER,
        "Try and keep Cloudflare's credentials", Done, ConfigureCloudflare,
    ),
    Route(
        "POST", "/api/config/certificates", system.configure_certificates, OWNER,
        "Try and keep the certificate token of a zone", Done, ConfigureCertificates,
    ),
    _get("/api/jobs", jobs.index, "Jobs, newest first", JobList, queries.JobsQuery),
    Route(
        "DELETE", "/api/jobs", jobs.prune, OWNER,
        "Delete ended jobs", Done, query=queries.PruneQuery,
    ),
    _get("/api/jobs/{job_id}", jobs.show, "A job", Job),
    Route(
        "DELETE", "/api/jobs/{job_id}", jobs.cancel, OWNER,
        "Cancel a job", CancelAnswer, query=queries.CancelQuery,
    ),
    _get("/api/jobs/{job_id}/logs", jobs.logs, "A job's log", JobLogs, queries.LogsQuery),
    _get("/api/jobs/{job_id}/wait", streams.wait, "A job, once it ends", Job, queries.WaitQuery),
    _stream("/api/jobs/{job_id}/events", streams.of_job, "A job's events, live"),
    _job("POST", "/api/jobs/{job_id}/retry", jobs.retry, "Go on where a job failed"),
    _stream("/api/events", streams.of_all, "All events, live"),
    _job("POST", "/api/up", servers.up, "From nothing to running apps", Up, queries.PlanQuery),
    _get("/api/doctor", doctor.look, "What is not as it should be", Diagnosis),
    _job("POST", "/api/doctor", doctor.mend, "Mend what the doctor found", MendFindings),
    _get("/api/servers", servers.index, "Servers, by name", ServerList),
    _job(
        "POST", "/api/servers", servers.create, "Create a server", CreateServer, queries.PlanQuery
    ),
    _get("/api/servers/{name}", servers.show, "A server", Server),
    _get("/api/servers/{name}/ssh", servers.ssh, "Where its SSH answers", SshAccess),
    _job("DELETE", "/api/servers/{name}", servers.delete, "Delete a server and all made for it"),
    _job("POST", "/api/servers/{name}/setup", servers.setup, "Set up a server", SetupServer),
    Route(
        "POST", "/api/servers/{name}/exec", servers.execute, OWNER,
        "Run a command on a server", ExecResult, ExecCommand,
    ),
    _get("/api/servers/{name}/apps", apps.installed, "The apps on a server", InstalledApps),
    _job("POST", "/api/servers/{name}/apps", apps.deploy, "Deploy an app", DeployApp),
    _job(
        "DELETE", "/api/servers/{name}/apps/{app_name}", apps.delete,
        "Delete an app", query=queries.DeleteAppQuery,
    ),
    _get("/api/apps", apps.catalog, "The catalog of apps", Catalog),
    _get("/api/apps/{app_name}", apps.show, "An app of the catalog", CatalogApp),
    _get(
        "/api/secrets", secrets.index,
        "The secrets that are kept", SecretList, queries.SecretsQuery,
    ),
    _get("/api/secrets/{key}", secrets.show, "A secret", Secret, queries.SecretsQuery),
    Route("PUT", "/api/secrets/{key}", secrets.put, OWNER, "Keep a secret", Done, PutSecret),
    Route("DELETE", "/api/secrets/{key}", secrets.delete, OWNER, "Forget a secret", Done),
    _get(
        "/api/providers/server-types", providers.server_types,
        "Server types, with prices and where they can be had", ServerTypes, queries.TypesQuery,
    ),
    _get(
        "/api/providers/locations", providers.locations,
        "Where servers stand", Locations, queries.ProviderQuery,
    ),
    _get(
        "/api/providers/images", providers.images,
        "Operating systems", Images, queries.ProviderQuery,
    ),
)  # fmt: skip


def application(
    orchestrator: Orchestrator,
    *,
    token: Callable[[], str | None] = lambda: None,
    hosts: frozenset[str] = LOOPBACK_NAMES,
) -> web.Application:
    """The daemon's HTTP application. `token` and `hosts` are for TCP; set `READY` to begin."""
    app = web.Application(middlewares=[errors], client_max_size=BODY_LIMIT)
    app[ORCHESTRATOR] = orchestrator
    app[GUARD] = Guard(token, hosts, frozenset(r.path for r in ROUTES if r.open))
    app[READY] = asyncio.Event()
    app[WATCHERS] = watchers = Watchers()
    app[STARTED] = monotonic()
    app[DOCUMENT] = Document(ROUTES)
    app.on_response_prepare.append(mark)
    app.on_shutdown.append(watchers.close)
    once = Once()
    for route in ROUTES:
        _add(app, route, once)
    return app


def _add(app: web.Application, route: Route, once: Once) -> None:
    handler = route.handler
    if route.mutates:
        handler = audited(route.name, once.guarding(handler, starts_job=route.status == 202))
    # A key has slashes of its own, which need not be quoted.
    path = route.path.replace("{key}", "{key:.+}")
    if route.method == "GET" and route.media != EVENTS:
        app.router.add_get(path, handler)
    else:
        app.router.add_route(route.method, path, handler)
