"""What all routes of one kind of resource share: lookup by id, lists, unique names, labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aiohttp import web

from livchat_sandbox.hetzner.http import (
    Json,
    invalid_field,
    labels_field,
    matching_query,
    not_found,
    not_unique,
    page_response,
    sorted_by_query,
    text_field,
)
from livchat_sandbox.storage.state import AccountState, PrimaryIp, Server, SshKey

# RFC 1123: labels of letters, digits and inner hyphens, joined by dots.
_HOSTNAME = re.compile(
    r"(?!.{254})[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)


class Resource(Protocol):
    """A resource with a name that is unique among its kind, and labels."""

    id: int
    name: str
    labels: dict[str, str]


Row = TypeVar("Row", bound=Resource)


@dataclass(frozen=True)
class Collection(Generic[Row]):
    """The resources of one kind in the account."""

    kind: str
    """What one is called in messages and bodies: `server`."""
    rows: dict[int, Row]
    """All of them, by id."""
    name_taken: str
    """The message that refuses a name that another has."""
    sortable: Mapping[str, str]
    """Attribute by the word of the query's `sort`."""
    hostnames: bool = False
    """Whether a name must be a host name."""

    def get(self, request: web.Request) -> Row:
        """Return the resource whose id is in the path; raise a 404 if there is none."""
        resource_id = request.match_info["id"]
        row = self.rows.get(int(resource_id))
        if row is None:
            raise not_found(self.kind, resource_id)
        return row

    def page(
        self, request: web.Request, view: Callable[[Row], Json], picks: Callable[[Row], bool]
    ) -> web.Response:
        """Return a page of those that the query's name and labels match, and `picks` too."""
        rows = [row for row in matching_query(request, self.rows.values()) if picks(row)]
        ordered = sorted_by_query(request, rows, self.sortable)
        return page_response(request, f"{self.kind}s", ordered, view)

    def check_name(self, name: str) -> None:
        """Raise a 422 for a name that is no host name where it must be, a 409 for one in use."""
        if self.hostnames and not _HOSTNAME.fullmatch(name):
            raise invalid_field("name", "must be a valid hostname")
        if any(row.name == name for row in self.rows.values()):
            raise not_unique(self.name_taken, "name")

    def rename_and_label(self, row: Row, data: Json) -> None:
        """Give a resource the name and labels of a body, where it holds them."""
        if "name" in data and data["name"] != row.name:
            name = text_field(data, "name")
            self.check_name(name)
            row.name = name
        if "labels" in data:
            row.labels = labels_field(data)


def server_collection(state: AccountState) -> Collection[Server]:
    """Return the servers of an account."""
    return Collection(
        kind="server",
        rows=state.servers,
        name_taken="server name is already used",
        sortable={"id": "id", "name": "name", "created": "created"},
        hostnames=True,
    )


def primary_ip_collection(state: AccountState) -> Collection[PrimaryIp]:
    """Return the Primary IPs of an account."""
    return Collection(
        kind="primary_ip",
        rows=state.primary_ips,
        name_taken="primary ip name is already used",
        sortable={"id": "id", "created": "created"},
    )


def ssh_key_collection(state: AccountState) -> Collection[SshKey]:
    """Return the SSH keys of an account."""
    return Collection(
        kind="ssh_key",
        rows=state.ssh_keys,
        name_taken="SSH key with the same name already exists",
        sortable={"id": "id", "name": "name", "created": "created"},
    )
