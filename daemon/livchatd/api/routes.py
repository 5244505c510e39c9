"""The whole API on one page: the source of the router, of OpenAPI and of who may ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from aiohttp import web
from pydantic import BaseModel

from livchat.wire.apps import Catalog, CatalogApp, DeployApp, InstalledApps
from livchat.wire.config import ConfigureCloudflare, ConfigureProvider, Done, Init
from livchat.wire.jobs import Accepted, CancelAnswer, Job, JobEvent, JobList, JobLogs
from livchat.wire.providers import Images, Locations, ServerTypes
from livchat.wire.servers import CreateServer, Server, ServerList, SetupServer
from livchat.wire.system import Health, Root
from livchat.wire.up import Up
from livchatd.api import apps, docs, jobs, providers, queries, servers, streams, system
from livchatd.api.docs import DOCUMENT, Document
from livchatd.api.guard import LOOPBACK_NAMES, Access, Guard
from livchatd.api.http import BODY_LIMIT, GUARD, ORCHESTRATOR, READY, Handler, Once, errors, mark
from livchatd.api.streams import WATCHERS, Watchers
from livchatd.api.system import STARTED
from livchatd.orchestrator import Orchestrator

JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"
OWNER, OPEN = Access.OWNER, Access.OPEN


@dataclass(frozen=True)
class Route:
    """One method of one path: what it takes, what it gives and who may ask for it.

    `answer` is the model of the answer, or of each event of a stream.
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

    @property
    def mutates(self) -> bool:
        """Whether it changes something, so that it takes an Idempotency-Key."""
        return self.method != "GET"

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
    """A route that starts a job."""
    return Route(method, path, handler, OWNER, summary, Accepted, body, query, status=202)


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
    _job("POST", "/api/up", servers.up, "From nothing to running apps", Up, queries.UpQuery),
    _get("/api/servers", servers.index, "Servers, by name", ServerList),
    _job("POST", "/api/servers", servers.create, "Create a server", CreateServer),
    _get("/api/servers/{name}", servers.show, "A server", Server),
    _job("DELETE", "/api/servers/{name}", servers.delete, "Delete a server and all made for it"),
    _job("POST", "/api/servers/{name}/setup", servers.setup, "Set up a server", SetupServer),
    _get("/api/servers/{name}/apps", apps.installed, "The apps on a server", InstalledApps),
    _job("POST", "/api/servers/{name}/apps", apps.deploy, "Deploy an app", DeployApp),
    _job(
        "DELETE", "/api/servers/{name}/apps/{app_name}", apps.delete,
        "Delete an app", query=queries.DeleteAppQuery,
    ),
    _get("/api/apps", apps.catalog, "The catalog of apps", Catalog),
    _get("/api/apps/{app_name}", apps.show, "An app of the catalog", CatalogApp),
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
    orchestrator: Orchestrator, *, token: str | None = None, hosts: frozenset[str] = LOOPBACK_NAMES
) -> web.Application:
    """The daemon's HTTP application. `token` and `hosts` are for TCP; set `READY` to begin."""
    app = web.Application(middlewares=[errors], client_max_size=BODY_LIMIT)
    app[ORCHESTRATOR] = orchestrator
    app[GUARD] = Guard(token, hosts, frozenset(r.path for r in ROUTES if r.access is OPEN))
    app[READY] = asyncio.Event()
    app[WATCHERS] = watchers = Watchers()
    app[STARTED] = monotonic()
    app[DOCUMENT] = Document(ROUTES)
    app.on_response_prepare.append(mark)
    app.on_shutdown.append(watchers.close)
    once = Once()
    for route in ROUTES:
        handler = route.handler
        if route.mutates:
            handler = once.guarding(handler, starts_job=route.status == 202)
        if route.method == "GET" and route.media != EVENTS:
            app.router.add_get(route.path, handler)
        else:
            app.router.add_route(route.method, route.path, handler)
    return app
