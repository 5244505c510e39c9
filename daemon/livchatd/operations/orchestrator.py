"""What can be asked of the daemon, in the users' words: rules that span its parts, jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from livchat.errors import Conflict, NotFound
from livchat.wire.apps import Catalog as CatalogAnswer
from livchat.wire.apps import CatalogApp, DeployApp, InstalledApps
from livchat.wire.config import Done
from livchat.wire.jobs import ENDED, CancelAnswer, JobStatus
from livchat.wire.servers import (
    Challenge,
    CreateServer,
    ExecCommand,
    ExecResult,
    Server,
    ServerList,
    ServerStatus,
    SetupServer,
    SshAccess,
)
from livchat.wire.up import Plan, Up
from livchatd.access import Endpoints
from livchatd.catalog.catalog import Catalog
from livchatd.credentials.app_secrets import Params
from livchatd.credentials.certificates import Certificates
from livchatd.credentials.credentials import Credentials
from livchatd.doctor.doctor import Doctor
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.step import Workflow
from livchatd.operations.add_server import Adding
from livchatd.operations.caller import ON_DISK, Ask, Started, teller
from livchatd.operations.exec import Commands
from livchatd.operations.secrets import Secrets
from livchatd.planning import plan
from livchatd.planning.plan import Household
from livchatd.planning.resolve import Choices, UpChoice
from livchatd.steps.params import (
    CreateServerOrder,
    DeleteAppOrder,
    DeleteServerOrder,
    DeployAppOrder,
    SetupServerOrder,
    UpOrder,
)
from livchatd.steps.server.join import joining
from livchatd.storage.audit_log import Audit
from livchatd.storage.database import Transaction, now
from livchatd.storage.inventory import Inventory, ServerRecord, wire_server


@dataclass(frozen=True)
class Orchestrator:
    """The parts of the daemon, and the rules that span them."""

    engine: Engine
    workflows: Mapping[str, Workflow[Any, Any]]
    inventory: Inventory
    catalog: Catalog
    choices: Choices
    credentials: Credentials
    certificates: Certificates
    secrets: Secrets
    commands: Commands
    adding: Adding
    endpoints: Endpoints
    audit: Audit
    doctor: Doctor

    async def create_server(self, want: CreateServer, ask: Ask) -> Started:
        """Start making a server; `Conflict` if the name is taken."""
        self._must_be_free(want.name)
        if want.host is not None:
            return await self._add_server(want, ask)
        order = await self._bargain(want)
        plan.hold_to(want.plan_hash, order)
        return await self._submit(
            "create_server", order, f"Create server {order.name}", order.name, ask,
            variant=f"{order.provider}/{order.server_type}",
            guard=self._taking(plan.reserved(order, now())),
        )  # fmt: skip

    async def setup_server(self, name: str, want: SetupServer, ask: Ask) -> Started:
        """Start setting a server up; `Invalid` if its zone cannot be used."""
        record = self._standing(name)
        plan.agree(record, want, [app.app_name for app in self.inventory.apps(name)])
        await plan.check_zone(await self.credentials.dns(record.provider), want.zone_name)
        proof = await self.certificates.choose(
            want.challenge, record, record.provider, want.zone_name
        )
        chosen = {
            **want.model_dump(),
            "open_ports": plan.open_ports(want.open_ports, record),
            "challenge": proof.challenge,
            "challenge_asked": proof.asked,
        }
        order = SetupServerOrder(name=name, provider=record.provider, **chosen)
        return await self._submit(
            "setup_server", order, f"Set up server {name}", name, ask, variant=_variant(record)
        )

    async def deploy_app(self, name: str, want: DeployApp, ask: Ask) -> Started:
        """Start deploying an app with what it needs; a second time deploys it anew."""
        record = self._standing(name)
        house = self._set_up(record, await self.secrets.params(name))
        await self.choices.read_catalog()
        config = {want.app_name: want.config} if want.config else {}
        apps = plan.app_orders(self.catalog, [want.app_name], config, house)
        order = DeployAppOrder(
            server=name, provider=record.provider, zone_name=house.zone_name,
            subdomain=house.subdomain, ssl_email=house.ssl_email, timezone=house.timezone,
            challenge=record.challenge or Challenge.HTTP, apps=apps.orders,
        )  # fmt: skip
        await self._keep(name, apps.secrets, ask)
        return await self._submit(
            "deploy_app", order, f"Deploy {want.app_name} on {name}", name, ask,
            variant=_variant(record),
        )  # fmt: skip

    async def up(self, want: Up, ask: Ask) -> Started:
        """Start what brings these apps up, from nothing or from what is there."""
        found = await self._choose(want)
        order = found.order
        plan.hold_to(want.plan_hash, order)
        await self._keep(want.server, found.secrets, ask)
        summary = f"Bring up {', '.join(want.apps)} on {want.server}"
        return await self._submit(
            "up", order, summary, want.server, ask,
            variant=f"{order.server.provider}/{order.server.server_type}",
            guard=self._taking(plan.reserved(order.server, now())) if found.new else None,
        )  # fmt: skip

    async def plan(self, want: Up) -> Plan:
        """What `up` would do and cost; nothing is done."""
        found = await self._choose(want)
        return self._plan("up", found.order, found.order.server, exists=not found.new)

    async def plan_server(self, want: CreateServer) -> Plan:
        """What making a server would do and cost; nothing is done."""
        self._must_be_free(want.name)
        order = await self._bargain(want)
        return self._plan("create_server", order, order, exists=False)

    async def delete_app(self, name: str, app: str, ask: Ask, *, purge: bool) -> Started:
        """Start deleting an app; `Conflict` while another one needs it."""
        record = self._standing(name)
        if self.inventory.app(name, app) is None:
            raise NotFound(f"there is no app '{app}' on '{name}'", hint=f"livchat app list {name}")
        needing = [a.app_name for a in self.inventory.apps(name) if app in a.depends_on]
        if needing:
            raise Conflict(
                f"cannot delete {app}: {', '.join(needing)} on '{name}' needs it",
                hint=f"livchat app delete {name} {needing[0]}",
                details={"server": name, "app": app, "needed_by": needing},
            )
        await self.choices.read_catalog()
        order = DeleteAppOrder(
            server=name, provider=record.provider, app_name=app,
            title=self.catalog.title(app), purge=purge,
        )  # fmt: skip
        return await self._submit(
            "delete_app", order, f"Delete {app} from {name}", name, ask, variant=_variant(record)
        )

    async def delete_server(self, name: str, ask: Ask) -> Started:
        """Start deleting a server with all that was made for it."""
        record = self._standing(name)
        order = DeleteServerOrder(name=name, provider=record.provider)
        return await self._submit(
            "delete_server", order, f"Delete server {name}", name, ask, variant=_variant(record)
        )

    async def execute(self, name: str, want: ExecCommand) -> ExecResult:
        """Run a command on a server; `TimedOut` has what it printed within its time."""
        record = self._standing(name)
        if record.ip_address is None:
            job_id = self.engine.live_job_of(name)
            raise Conflict(
                f"'{name}' has no address yet",
                hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {name}",
                details={"server": name, "job_id": job_id},
            )
        return await self.commands.run(name, want)

    async def ssh_access(self, name: str) -> SshAccess:
        """Where a server's SSH answers, for a person's own client."""
        return await self.endpoints.access(self._standing(name).name)

    async def mend(self, wanted: Sequence[str] | None, ask: Ask) -> Started:
        """Start mending what the doctor found: these findings, or all that is our own."""
        order = await self.doctor.order(wanted)
        count = len(order.things) + len(order.records)
        summary = f"Mend {count} finding{'s' if count > 1 else ''} of the doctor"
        return await self._submit("mend", order, summary, None, ask, variant="")

    async def retry(self, job_id: str, ask: Ask) -> Started:
        """Start a job that goes on where a failed or cancelled one ended."""
        old = self.engine.job(job_id)
        told = teller(ask, old["summary"], old["server"], job_id)
        found = await self.engine.retry(job_id, ask.caller, told)
        return Started(found.job_id, ON_DISK, old["summary"], old["server"], job_id, found.replay)

    async def cancel(self, job_id: str, *, force: bool) -> CancelAnswer:
        """Ask a job to stop; `Conflict` if it has ended."""
        job = await self.engine.cancel(job_id, force=force)
        status = JobStatus(job["status"])
        message = "cancelled" if status in ENDED else "cancelling: it stops at the next safe point"
        return CancelAnswer(success=True, message=message, job_id=job_id, status=status)

    async def prune(self, age: timedelta, status: str | None) -> Done:
        """Delete ended jobs that are older."""
        removed = await self.engine.prune(age, status)
        return Done(success=True, message=f"{removed} jobs deleted", data={"removed": removed})

    def servers(self) -> ServerList:
        """All servers."""
        apps, jobs = self.inventory.app_names(), self.engine.live_jobs()
        found = {
            record.name: wire_server(record, apps.get(record.name, []), jobs.get(record.name))
            for record in self.inventory.servers()
        }
        return ServerList(servers=found, total=len(found))

    def server(self, name: str) -> Server:
        """A server."""
        record = self.inventory.server(name)
        apps = [app.app_name for app in self.inventory.apps(name)]
        return wire_server(record, apps, self.engine.live_job_of(name))

    def installed(self, name: str) -> InstalledApps:
        """The apps on a server."""
        self.inventory.server(name)
        apps = [app.wire() for app in self.inventory.apps(name)]
        return InstalledApps(apps=apps, server_name=name, total=len(apps))

    async def apps(self) -> CatalogAnswer:
        """The catalog."""
        await self.choices.read_catalog()
        apps = [self.catalog.wire(app) for app in self.catalog.apps()]
        return CatalogAnswer(apps=apps, total=len(apps))

    async def app(self, name: str) -> CatalogApp:
        """An app of the catalog."""
        await self.choices.read_catalog()
        return self.catalog.wire(self.catalog.app(name))

    async def _add_server(self, want: CreateServer, ask: Ask) -> Started:
        order = await self.adding.order(want)
        async with self.adding.lock:
            self._must_be_free(order.name)
            await self.adding.keep(want)
            record = joining(order, now())
            return await self._submit(
                "add_server", order, f"Add server {order.name}", order.name, ask,
                variant=_variant(record), guard=self._taking(record),
            )  # fmt: skip

    async def _bargain(self, want: CreateServer) -> CreateServerOrder:
        return await plan.bargain(await self.choices.provider(want.provider), want)

    def _plan(
        self,
        workflow: str,
        order: UpOrder | CreateServerOrder,
        server: CreateServerOrder,
        *,
        exists: bool,
    ) -> Plan:
        variant = f"{server.provider}/{server.server_type}"
        durations = self.engine.durations
        return plan.plan(
            order, self.workflows[workflow].steps(order),
            lambda key, usually: durations.expected(key, variant, usually), exists=exists,
        )  # fmt: skip

    async def _choose(self, want: Up) -> UpChoice:
        record = self.inventory.find(want.server)
        if record is not None:
            self._standing(want.server)
        return await self.choices.up(want, record, await self.secrets.params(want.server))

    async def _keep(self, server: str, secrets: Params, ask: Ask) -> None:
        """Put secret answers into the vault; a request sent again must not bring old ones back."""
        if secrets and not await ask.repeated():
            await self.secrets.keep_params(server, secrets)

    def _set_up(self, record: ServerRecord, kept: Params) -> Household:
        """The server as apps see it; `Conflict` if it is not set up."""
        house = self.choices.household(record, kept)
        if house is None:
            raise Conflict(
                f"'{record.name}' is not set up yet",
                hint=f"livchat server setup {record.name} --zone ZONE --email EMAIL",
                details={"server": record.name, "job_id": self.engine.live_job_of(record.name)},
            )
        return house

    def _standing(self, name: str) -> ServerRecord:
        """A server that is not about to go; `NotFound`, `Conflict`."""
        record = self.inventory.server(name)
        if record.status is ServerStatus.DELETING:
            job_id = self.engine.live_job_of(name)
            if job_id is not None:
                raise Conflict(
                    f"'{name}' is being deleted",
                    hint=f"livchat job watch {job_id}",
                    details={"server": name, "job_id": job_id},
                )
        return record

    def _must_be_free(self, name: str) -> None:
        if not self.inventory.has(name):
            return
        job_id = self.engine.live_job_of(name)
        raise Conflict(
            f"there is already a server '{name}'",
            hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {name}",
            details={"server": name, "job_id": job_id},
        )

    def _taking(self, record: ServerRecord) -> Callable[[Transaction], None]:
        return lambda tx: self.inventory.reserve(tx, record)

    async def _submit(  # noqa: PLR0913
        self,
        workflow: str,
        params: BaseModel,
        summary: str,
        server: str | None,
        ask: Ask,
        *,
        variant: str,
        guard: Callable[[Transaction], None] | None = None,
    ) -> Started:
        told = teller(ask, summary, server, None)
        try:
            found = await self.engine.submit(
                Submission(
                    workflow=workflow,
                    params=params,
                    summary=summary,
                    server=server,
                    variant=variant,
                    caller=ask.caller,
                    claim=told,
                    guard=guard,
                    pace=self.choices.pace(variant),
                )
            )
        except Conflict:
            if guard is not None and server is not None:
                # Another request took the name meanwhile: say which job is at work on it.
                self._must_be_free(server)
            raise
        return Started(found.job_id, ON_DISK, summary, server, None, found.replay)


def _variant(record: ServerRecord) -> str:
    return f"{record.provider}/{record.server_type}"
