"""Orphans: resources at a provider and DNS records of ours that belong to no known server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from livchat.messages import SERVER_MISSING_HERE
from livchat.wire.doctor import Mending
from livchatd.installation import RecordComment, shortened
from livchatd.integrations.dns import Record
from livchatd.providers.base import Resource
from livchatd.storage.inventory import Inventory, ServerRecord

SANDBOX = "sandbox"
"""The provider that brings a DNS account of its own; the servers of all others share the user's."""
CLOUDFLARE = "cloudflare"
"""The user's own DNS account, as it is named in findings."""


@dataclass(frozen=True)
class KnownState:
    """The servers and apps that are known at one moment, and where a job is at work then."""

    servers: Mapping[str, ServerRecord]
    apps: Mapping[str, Iterable[str]]
    servers_with_active_jobs: frozenset[str]

    @cached_property
    def by_short_name(self) -> Mapping[str, ServerRecord]:
        """The servers by their names as these stand in the comments of DNS records."""
        return {shortened(name): record for name, record in self.servers.items()}

    @cached_property
    def short_names_with_active_jobs(self) -> frozenset[str]:
        """The names of the servers at which a job is at work, as these stand in comments."""
        return frozenset(map(shortened, self.servers_with_active_jobs))

    @cached_property
    def addresses(self) -> frozenset[str]:
        """The addresses of all servers."""
        return frozenset(one.ip_address for one in self.servers.values() if one.ip_address)


@dataclass(frozen=True)
class Orphan:
    """Why something belongs to no server, how bad that is, and what a repair does about it."""

    why: str
    severity: Literal["error", "warning"]
    mend: Mending = "delete"


def known_state(inventory: Inventory, servers_with_active_jobs: Iterable[str]) -> KnownState:
    """Return what the inventory knows now."""
    servers = {record.name: record for record in inventory.servers()}
    return KnownState(servers, inventory.app_names(), frozenset(servers_with_active_jobs))


def orphaned_resource(resource: Resource, provider: str, state: KnownState) -> Orphan | None:
    """Return why a machine, address or key of ours belongs to no server; None if it belongs.

    What is at a server with an active job belongs to that job: it may be creating or deleting it.
    """
    server = (resource.owner.server if resource.owner is not None else None) or ""
    if server in state.servers_with_active_jobs:
        return None
    severity: Literal["error", "warning"] = "warning" if resource.kind == "key" else "error"
    record = state.servers.get(server)
    if record is None:
        return Orphan(SERVER_MISSING_HERE(name=server), severity)
    if record.provider != provider:
        return Orphan(f"the server '{server}' here is at {record.provider}", severity)
    known_id = {"machine": record.machine_id, "address": record.address_id}.get(resource.kind)
    if known_id is not None and known_id != resource.id:
        return Orphan(f"the server '{server}' has another {resource.kind}", severity)
    return None


def orphaned_record(
    record: Record, comment: RecordComment, account: str, state: KnownState
) -> Orphan | None:
    """Return why a DNS record of ours belongs to no app, or points elsewhere; None if all is well.

    `comment` is that of the record, `account` the DNS account that has it.
    """
    if comment.server in state.short_names_with_active_jobs:
        return None
    server = state.by_short_name.get(comment.server)
    if server is not None and (server.provider == SANDBOX) != (account == SANDBOX):
        server = None
    if server is None:
        return _without_app(record, state, SERVER_MISSING_HERE(name=comment.server))
    if comment.app not in state.apps.get(server.name, ()):
        return _without_app(record, state, f"there is no {comment.app} on '{server.name}'")
    if record.content == server.ip_address or server.ip_address is None:
        return None
    return Orphan(
        f"'{server.name}' is at {server.ip_address}: whoever has {record.content} gets the"
        f" visitors of {comment.app}",
        "error",
        "point",
    )


def _without_app(record: Record, state: KnownState, why: str) -> Orphan:
    """Return an orphan that is worse where its address is not ours: a stranger may get it next."""
    if record.content in state.addresses:
        return Orphan(why, "warning")
    return Orphan(f"{why}, and {record.content} is the address of none: a stranger's next", "error")
