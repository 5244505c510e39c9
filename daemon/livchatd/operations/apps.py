"""Apps: the catalog, what is installed on a server, deployments and deletions."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import Conflict, NotFound
from livchat.wire.apps import Catalog as AppCatalog
from livchat.wire.apps import CatalogApp, DeployApp, InstalledApps
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.app_secrets import AppSecrets
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.idempotency import AcceptedJob, Caller
from livchatd.operations.servers import ServerOperations, duration_key
from livchatd.planning.apps import TargetServer, plan_apps
from livchatd.steps.params import DeleteAppParams, DeployAppParams
from livchatd.steps.site import Site
from livchatd.storage.inventory import Inventory, ServerRecord


@dataclass(frozen=True)
class AppOperations:
    """What can be asked about apps."""

    engine: Engine
    inventory: Inventory
    catalog: Catalog
    app_secrets: AppSecrets
    servers: ServerOperations

    async def list(self) -> AppCatalog:
        """Return the apps of the catalog."""
        await self.catalog.read()
        apps = [self.catalog.wire(app) for app in self.catalog.apps()]
        return AppCatalog(apps=apps, total=len(apps))

    async def show(self, name: str) -> CatalogApp:
        """Return an app of the catalog; `NotFound`."""
        await self.catalog.read()
        return self.catalog.wire(self.catalog.app(name))

    def installed(self, server: str) -> InstalledApps:
        """Return the apps on a server; `NotFound` for the server."""
        self.inventory.server(server)
        apps = [app.to_wire() for app in self.inventory.apps(server)]
        return InstalledApps(apps=apps, server_name=server, total=len(apps))

    async def deploy(self, server: str, request: DeployApp, caller: Caller) -> AcceptedJob:
        """Submit a job that deploys an app with what it needs; an installed one is redeployed.

        Raises `NotFound` for server and app, `Conflict` if the server is not set up, and
        `InvalidRequest` for values that do not fit.
        """
        record = self.servers.existing(server)
        target = await self._target(record)
        await self.catalog.read()
        values = {request.app_name: request.config} if request.config else {}
        plan = plan_apps(self.catalog, [request.app_name], values, target)
        params = DeployAppParams(**target.site.model_dump(), apps=plan.apps)
        await self.app_secrets.store(server, plan.secret_values)
        return await self.engine.submit(
            Submission(
                workflow="deploy_app",
                params=params,
                summary=f"Deploy {request.app_name} on {server}",
                server=server,
                duration_key=duration_key(record),
                caller=caller,
            )
        )

    async def delete(self, server: str, app: str, caller: Caller, *, purge: bool) -> AcceptedJob:
        """Submit a job that deletes an app, with `purge` its volumes and databases too.

        Raises `NotFound` for server and app, `Conflict` while another app needs it.
        """
        record = self.servers.existing(server)
        if self.inventory.app(server, app) is None:
            raise NotFound(
                f"there is no app '{app}' on '{server}'", hint=f"livchat app list {server}"
            )
        needing = [a.app_name for a in self.inventory.apps(server) if app in a.depends_on]
        if needing:
            raise Conflict(
                f"cannot delete {app}: {', '.join(needing)} on '{server}' needs it",
                hint=f"livchat app delete {server} {needing[0]}",
                details={"server": server, "app": app, "needed_by": needing},
            )
        await self.catalog.read()
        params = DeleteAppParams(
            server=server,
            provider=record.provider,
            app_name=app,
            title=self.catalog.title(app),
            purge=purge,
        )
        return await self.engine.submit(
            Submission(
                workflow="delete_app",
                params=params,
                summary=f"Delete {app} from {server}",
                server=server,
                duration_key=duration_key(record),
                caller=caller,
            )
        )

    async def _target(self, record: ServerRecord) -> TargetServer:
        """Return the server as apps are planned for it; `Conflict` if it is not set up."""
        site = Site.of(record)
        if site is None:
            raise Conflict(
                f"'{record.name}' is not set up yet",
                hint=f"livchat server setup {record.name} --zone ZONE --email EMAIL",
                details={
                    "server": record.name,
                    "job_id": self.engine.active_job_of(record.name),
                },
            )
        return TargetServer(
            site,
            {app.app_name: app for app in self.inventory.apps(record.name)},
            await self.app_secrets.of_server(record.name),
        )
