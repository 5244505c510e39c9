"""The table of routes, from which the router, the OpenAPI document and the access are made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

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
from livchatd.api import (
    apps,
    config,
    docs,
    doctor,
    jobs,
    providers,
    secrets,
    servers,
    streams,
    system,
    up,
)
from livchatd.api.docs import DOCUMENT, Document
from livchatd.api.http import queries
from livchatd.api.http.messages import (
    MAX_BODY_BYTES,
    OPERATIONS,
    Handler,
    add_version_headers,
    errors,
)
from livchatd.api.middleware.auth import (
    LOOPBACK_NAMES,
    RESUMED,
    Access,
    Authenticator,
    audited,
)
from livchatd.api.middleware.idempotency import Idempotency
from livchatd.api.streams import OPEN_REQUESTS, OpenRequests
from livchatd.jobs.idempotency import StoredResponses
from livchatd.operations.operations import Operations

JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"
OWNER, OPEN = Access.OWNER, Access.OPEN

_PUBLISHED_IDS = {
    "config_init": "system_init",
    "config_configure_provider": "system_configure_provider",
    "config_configure_cloudflare": "system_configure_cloudflare",
    "config_configure_certificates": "system_configure_certificates",
    "doctor_diagnose": "doctor_look",
    "doctor_repair": "doctor_mend",
    "streams_job_events": "streams_of_job",
    "streams_all_events": "streams_of_all",
    "up_up": "servers_up",
}
"""Ids of routes whose handlers were renamed: the audit log and generated clients have them."""


@dataclass(frozen=True)
class Route:
    """One method of one path: what it takes, what it returns and who may use it.

    `response` is the model of the response, or of each event of a stream; `plan` that of the
    response (200) to `?plan=true`.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    summary: str
    response: type[BaseModel] | None
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
        """Its id in the OpenAPI document and the audit log: its handler's module and function."""
        own = f"{self.handler.__module__.rpartition('.')[2]}_{self.handler.__qualname__}"
        return _PUBLISHED_IDS.get(own, own)


def _get(
    path: str,
    handler: Handler,
    summary: str,
    response: type[BaseModel],
    query: type[BaseModel] | None = None,
) -> Route:
    return Route("GET", path, handler, OWNER, summary, response, query=query)


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
    """Return a route that starts a job, or returns a plan if its query asks for one."""
    plan = Plan if query is queries.PlanQuery else None
    return Route(
        method, path, handler, OWNER, summary, Accepted, body, query, status=202, plan=plan
    )


ROUTES = (
    _get("/", system.root, "Who answers here", Root),
    _get("/health", system.health, "How the daemon is", Health),
    Route("GET", "/openapi.json", docs.openapi, OPEN, "This API as OpenAPI 3.1", None),
    Route("GET", "/docs", docs.page, OPEN, "This API as a page to read", None, media=HTML),
    Route("POST", "/api/init", config.init, OWNER, "Make the folders and the vault", Done, Init),
    Route(
        "POST", "/api/config/provider", config.configure_provider, OWNER,
        "Try and keep a provider's token", Done, ConfigureProvider,
    ),
    Route(
        "POST", "/api/config/cloudflare", config.configure_cloudflare, OWNER,
        "Try and keep Cloudflare's credentials", Done, ConfigureCloudflare,
    ),
    Route(
        "POST", "/api/config/certificates", config.configure_certificates, OWNER,
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
    _stream("/api/jobs/{job_id}/events", streams.job_events, "A job's events, live"),
    _job("POST", "/api/jobs/{job_id}/retry", jobs.retry, "Go on where a job failed"),
    _stream("/api/events", streams.all_events, "All events, live"),
    _job("POST", "/api/up", up.up, "From nothing to running apps", Up, queries.PlanQuery),
    _get("/api/doctor", doctor.diagnose, "What is not as it should be", Diagnosis),
    _job("POST", "/api/doctor", doctor.repair, "Mend what the doctor found", MendFindings),
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
    operations: Operations,
    responses: StoredResponses,
    *,
    token: Callable[[], str | None] = lambda: None,
    hosts: frozenset[str] = LOOPBACK_NAMES,
) -> web.Application:
    """Return the daemon's HTTP application.

    `responses` are the first responses to idempotency keys; `token` and `hosts` are for TCP. Most
    requests wait until `app[RESUMED]` is set.
    """
    open_paths = frozenset(route.path for route in ROUTES if route.open)
    authenticator = Authenticator(token, hosts, open_paths)
    app = web.Application(
        middlewares=[errors, authenticator.middleware], client_max_size=MAX_BODY_BYTES
    )
    app[OPERATIONS] = operations
    app[RESUMED] = asyncio.Event()
    app[OPEN_REQUESTS] = open_requests = OpenRequests()
    app[DOCUMENT] = Document(ROUTES)
    app.on_response_prepare.append(add_version_headers)
    app.on_shutdown.append(open_requests.close)
    idempotency = Idempotency(responses)
    for route in ROUTES:
        _add(app, route, idempotency)
    return app


def _add(app: web.Application, route: Route, idempotency: Idempotency) -> None:
    handler = route.handler
    if route.mutates:
        once = idempotency.wrap(handler, starts_job=route.status == 202)
        handler = audited(route.name, once)
    # The key of a secret has slashes, which need not be quoted.
    path = route.path.replace("{key}", "{key:.+}")
    if route.method == "GET" and route.media != EVENTS:
        app.router.add_get(path, handler)
    else:
        app.router.add_route(route.method, path, handler)
