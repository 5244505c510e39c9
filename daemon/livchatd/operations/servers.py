"""Servers: created, added, set up, deleted, listed; and where their SSH answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from livchat.errors import Conflict
from livchat.messages import SERVER_THERE
from livchat.wire.servers import (
    CreateServer,
    Server,
    ServerList,
    ServerStatus,
    SetupServer,
    SshAccess,
)
from livchat.wire.up import Plan
from livchatd.access import SshEndpoints
from livchatd.credentials.certificates import Certificates
from livchatd.credentials.credentials import Credentials
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.idempotency import AcceptedJob, Caller
from livchatd.operations.add_server import add_server_params, store_given_key
from livchatd.planning.checks import check_same_domain, check_zone, open_ports
from livchatd.planning.machine import choose_machine, pending_server_record
from livchatd.planning.plan import Planner, check_plan_hash
from livchatd.providers.registry import ProviderRegistry
from livchatd.steps.params import CreateServerParams, DeleteServerParams, SetupServerParams
from livchatd.steps.server.join import pending_record
from livchatd.storage.database import Transaction, now
from livchatd.storage.inventory import Inventory, ServerRecord
from livchatd.storage.vault import Vault


@dataclass(frozen=True)
class ServerOperations:
    """What can be asked about servers."""

    engine: Engine
    inventory: Inventory
    vault: Vault
    registry: ProviderRegistry
    credentials: Credentials
    certificates: Certificates
    endpoints: SshEndpoints
    planner: Planner
    _adding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def create(self, request: CreateServer, caller: Caller) -> AcceptedJob:
        """Submit a job that buys a server, or adds a machine of the user's own (`host`).

        Raises `Conflict` if the name is taken or the plan that was agreed to has changed,
        `InvalidRequest` and `SoldOut` for what cannot be had.
        """
        self.check_name_free(request.name)
        if request.host is not None:
            return await self._add(request, caller)
        params = await self._choose(request)
        if request.plan_hash is not None:
            check_plan_hash(request.plan_hash, params)
        submission = Submission(
            workflow="create_server",
            params=params,
            summary=f"Create server {params.name}",
            server=params.name,
            duration_key=f"{params.provider}/{params.server_type}",
            caller=caller,
        )
        return await self.submit_new(submission, pending_server_record(params, now()))

    async def plan(self, request: CreateServer) -> Plan:
        """Return what creating this server would do and cost; nothing is done.

        Raises what `create` raises.
        """
        self.check_name_free(request.name)
        return self.planner.plan("create_server", await self._choose(request), exists=False)

    async def setup(self, name: str, request: SetupServer, caller: Caller) -> AcceptedJob:
        """Submit a job that sets a server up.

        Raises `NotFound` for the server, `Conflict` if apps use another domain of it, and
        `InvalidRequest` if the zone or its certificate token cannot be used.
        """
        record = self.existing(name)
        check_same_domain(record, request, [app.app_name for app in self.inventory.apps(name)])
        await check_zone(await self.credentials.dns(record.provider), request.zone_name)
        challenge = await self.certificates.choose_challenge(
            request.challenge, record, record.provider, request.zone_name
        )
        chosen = {
            **request.model_dump(),
            "open_ports": open_ports(request.open_ports, record),
            "challenge": challenge.challenge,
            "challenge_asked": challenge.requested,
        }
        return await self.engine.submit(
            Submission(
                workflow="setup_server",
                params=SetupServerParams(name=name, provider=record.provider, **chosen),
                summary=f"Set up server {name}",
                server=name,
                duration_key=duration_key(record),
                caller=caller,
            )
        )

    async def delete(self, name: str, caller: Caller) -> AcceptedJob:
        """Submit a job that deletes a server with all that was made for it; `NotFound`."""
        record = self.existing(name)
        return await self.engine.submit(
            Submission(
                workflow="delete_server",
                params=DeleteServerParams(name=name, provider=record.provider),
                summary=f"Delete server {name}",
                server=name,
                duration_key=duration_key(record),
                caller=caller,
            )
        )

    def list(self) -> ServerList:
        """Return all servers by name, each with the job at work on it."""
        apps, jobs = self.inventory.app_names(), self.engine.active_jobs()
        servers = {
            record.name: record.to_wire(apps.get(record.name, []), jobs.get(record.name))
            for record in self.inventory.servers()
        }
        return ServerList(servers=servers, total=len(servers))

    def show(self, name: str) -> Server:
        """Return a server; `NotFound`."""
        record = self.inventory.server(name)
        apps = [app.app_name for app in self.inventory.apps(name)]
        return record.to_wire(apps, self.engine.active_job_of(name))

    async def ssh_access(self, name: str) -> SshAccess:
        """Return where a server's SSH answers, for a person's own client.

        Raises `NotFound` for the server, `NotConfigured` while it has no address.
        """
        return await self.endpoints.access(self.existing(name).name)

    def existing(self, name: str) -> ServerRecord:
        """Return a server that is not being deleted; `NotFound`, `Conflict` if it is."""
        record = self.inventory.server(name)
        job_id = self.engine.active_job_of(name)
        if record.status is ServerStatus.DELETING and job_id is not None:
            raise Conflict(
                f"'{name}' is being deleted",
                hint=f"livchat job watch {job_id}",
                details={"server": name, "job_id": job_id},
            )
        return record

    def check_name_free(self, name: str) -> None:
        """Raise `Conflict`, with the job at work on it, if there is a server of this name."""
        if not self.inventory.has(name):
            return
        job_id = self.engine.active_job_of(name)
        raise Conflict(
            SERVER_THERE(name=name),
            hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {name}",
            details={"server": name, "job_id": job_id},
        )

    async def submit_new(self, submission: Submission, record: ServerRecord) -> AcceptedJob:
        """Submit a job and take the name of its new server, in one transaction.

        Raises `Conflict` if another request has taken the name meanwhile.
        """

        def reserve_name(transaction: Transaction) -> None:
            self.inventory.reserve(transaction, record)

        try:
            return await self.engine.submit(replace(submission, guard=reserve_name))
        except Conflict:
            # This one names the job of that other request.
            self.check_name_free(record.name)
            raise

    async def _choose(self, request: CreateServer) -> CreateServerParams:
        return await choose_machine(await self.registry.provider(request.provider), request)

    async def _add(self, request: CreateServer, caller: Caller) -> AcceptedJob:
        params = await add_server_params(self.vault, request)
        # Under the lock, a given key is stored for the job that gets the name and for no other.
        async with self._adding:
            self.check_name_free(params.name)
            await store_given_key(self.vault, request)
            record = pending_record(params, now())
            submission = Submission(
                workflow="add_server",
                params=params,
                summary=f"Add server {params.name}",
                server=params.name,
                duration_key=duration_key(record),
                caller=caller,
            )
            return await self.submit_new(submission, record)


def duration_key(record: ServerRecord) -> str:
    """Return what the durations of a server's jobs depend on: provider and server type."""
    return f"{record.provider}/{record.server_type}"
