"""Whether a thing at a provider or a record in DNS belongs to a server that is known here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from livchat.wire.doctor import Mending
from livchatd.installation import SERVER, Comment, short
from livchatd.integrations.cloudflare import Record
from livchatd.providers.base import Thing
from livchatd.storage.inventory import Inventory, ServerRecord

SANDBOX = "sandbox"
"""The provider that brings a DNS account of its own; all others share the user's."""
CLOUDFLARE = "cloudflare"
"""The user's own DNS account, as it is named in findings."""


@dataclass(frozen=True)
class Known:
    """What is known here at one moment; at a busy server a job is at work."""

    servers: Mapping[str, ServerRecord]
    apps: Mapping[str, Iterable[str]]
    busy: frozenset[str]

    @cached_property
    def marks(self) -> Mapping[str, ServerRecord]:
        """The servers, by their names as they stand in the comments of records."""
        return {short(name): record for name, record in self.servers.items()}

    @cached_property
    def busy_marks(self) -> frozenset[str]:
        """The busy servers' names, likewise."""
        return frozenset(map(short, self.busy))

    @cached_property
    def addresses(self) -> frozenset[str]:
        """The addresses of all servers."""
        return frozenset(one.ip_address for one in self.servers.values() if one.ip_address)


@dataclass(frozen=True)
class Stray:
    """Why something belongs to nothing, how bad that is, and what can be done about it."""

    why: str
    severity: Literal["error", "warning"]
    mend: Mending = "delete"


def known(inventory: Inventory, busy: Iterable[str]) -> Known:
    """What is known now."""
    servers = {record.name: record for record in inventory.servers()}
    return Known(servers, inventory.app_names(), frozenset(busy))


def stray_thing(thing: Thing, provider: str, here: Known) -> Stray | None:
    """Why a machine, address or key of ours belongs to nothing; None if it belongs.

    What a job at work is making or taking away right now belongs to that job.
    """
    server = thing.labels.get(SERVER, "")
    if server in here.busy:
        return None
    severity: Literal["error", "warning"] = "warning" if thing.kind == "key" else "error"
    record = here.servers.get(server)
    if record is None:
        return Stray(f"there is no server '{server}' here", severity)
    if record.provider != provider:
        return Stray(f"the server '{server}' here is at {record.provider}", severity)
    held = {"machine": record.machine_id, "address": record.address_id}.get(thing.kind)
    if held is not None and held != thing.id:
        return Stray(f"the server '{server}' has another {thing.kind}", severity)
    return None


def stray_record(record: Record, said: Comment, account: str, here: Known) -> Stray | None:
    """Why a record of ours belongs to nothing, or points elsewhere; None if all is well."""
    if said.server in here.busy_marks:
        return None
    server = here.marks.get(said.server)
    if server is not None and (server.provider == SANDBOX) != (account == SANDBOX):
        server = None
    if server is None:
        return _gone(record, here, f"there is no server '{said.server}' here")
    if said.app not in here.apps.get(server.name, ()):
        return _gone(record, here, f"there is no {said.app} on '{server.name}'")
    if record.content == server.ip_address or server.ip_address is None:
        return None
    return Stray(
        f"'{server.name}' is at {server.ip_address}: whoever has {record.content} gets the"
        f" visitors of {said.app}",
        "error",
        "point",
    )


def _gone(record: Record, here: Known, why: str) -> Stray:
    """An address that is none of ours is somebody else's next, with the name that points at it."""
    if record.content in here.addresses:
        return Stray(why, "warning")
    return Stray(f"{why}, and {record.content} is the address of none: a stranger's next", "error")
