"""From nothing, or from what is there, to running apps in one job; and the plan of it."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.wire.up import Plan, Up
from livchatd.credentials.app_secrets import AppSecrets
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.idempotency import AcceptedJob, Caller
from livchatd.operations.servers import ServerOperations
from livchatd.planning.machine import pending_server_record
from livchatd.planning.plan import Planner, check_plan_hash
from livchatd.planning.resolve import ResolvedUp, UpResolver
from livchatd.storage.database import now
from livchatd.storage.inventory import Inventory


@dataclass(frozen=True)
class UpOperations:
    """What can be asked about `up`: a job, or what it would do."""

    engine: Engine
    inventory: Inventory
    app_secrets: AppSecrets
    resolver: UpResolver
    planner: Planner
    servers: ServerOperations

    async def up(self, request: Up, caller: Caller) -> AcceptedJob:
        """Submit a job that brings these apps up on a new or an existing server.

        Raises `Conflict` if the plan that was agreed to has changed or the server has another
        domain, `InvalidRequest` and `SoldOut` for what cannot be had.
        """
        resolved = await self._resolve(request)
        params = resolved.params
        check_plan_hash(request.plan_hash, params)
        await self.app_secrets.store(request.server, resolved.secret_values)
        submission = Submission(
            workflow="up",
            params=params,
            summary=f"Bring up {', '.join(request.apps)} on {request.server}",
            server=request.server,
            duration_key=f"{params.server.provider}/{params.server.server_type}",
            caller=caller,
        )
        if not resolved.new:
            return await self.engine.submit(submission)
        record = pending_server_record(params.server, now())
        return await self.servers.submit_new(submission, record)

    async def plan(self, request: Up) -> Plan:
        """Return what `up` would do and cost; nothing is done. Raises what `up` raises."""
        resolved = await self._resolve(request)
        return self.planner.plan("up", resolved.params, exists=not resolved.new)

    async def _resolve(self, request: Up) -> ResolvedUp:
        exists = self.inventory.has(request.server)
        record = self.servers.existing(request.server) if exists else None
        return await self.resolver.resolve(request, record)
