"""Blocking calls to Hetzner's API, and what is read from them. It brings hcloud: import late."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from time import time as now
from typing import Any, Protocol, TypeVar

import requests
from hcloud import APIException, Client
from hcloud.images import Image as ImageRef
from hcloud.locations import Location as LocationRef
from hcloud.primary_ips import BoundPrimaryIP, PrimaryIP
from hcloud.server_types import ServerType as TypeRef
from hcloud.servers import BoundServer, Server, ServerCreatePublicNetwork
from hcloud.ssh_keys import BoundSSHKey, SSHKey

from livchat.errors import Conflict, InvalidRequest
from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import (
    INSTALLATION,
    JOB,
    MANAGED,
    SERVER,
    Address,
    Machine,
    MachineOrder,
    OrderedMachine,
    Owner,
    ResourceKind,
)
from livchatd.providers.hetzner import products
from livchatd.providers.rate_limiter import RateLimitInfo

CONNECT_TIMEOUT_PARTS = 6.0
"""Connecting has this part of the time that a response has."""
RETRIES = 2
MAX_RETRY_PAUSE_SECONDS = 4.0
MAX_ACTIONS = 50
"""Actions of one page, the most that Hetzner returns."""
TOO_MANY_REQUESTS, RATE_LIMIT_EXCEEDED = 429, "rate_limit_exceeded"


class BlockingClient:
    """One thread's client of one project; `timeout` is for one response, in seconds.

    Errors are those of hcloud and requests. `rate_limits` collects what the responses of the
    present call say of the limit; `on_date` is given the time of each response by Hetzner's clock,
    in seconds since the epoch.
    """

    def __init__(
        self,
        token: str,
        endpoint: str,
        version: str,
        on_date: Callable[[float], None],
        timeout: float,
    ) -> None:
        self.api = Client(
            token,
            api_endpoint=endpoint,
            application_name="livchat-setup",
            application_version=version,
            # The library's own default is to wait for ever.
            timeout=(max(timeout / CONNECT_TIMEOUT_PARTS, 1.0), timeout),
        )
        # The library tries five times with pauses of up to a minute, in which a cancelled job
        # cannot end; the steps try again by themselves. There is no parameter for it.
        base = self.api._client  # noqa: SLF001
        base._retry_max_retries = RETRIES  # noqa: SLF001
        base._retry_interval_func = _retry_pause  # noqa: SLF001
        # Over the limit all wait for their turn, and no thread with them.
        base._retry_policy = partial(_may_retry, base._retry_policy)  # type: ignore[method-assign]  # noqa: SLF001
        base._session.hooks["response"].append(self._on_response)  # noqa: SLF001
        self._on_date = on_date
        self.rate_limits: list[RateLimitInfo] = []

    def check(self) -> None:
        """Send the cheapest request that needs the token."""
        self.api.servers.get_list(per_page=1)

    def server_types(self) -> list[ServerType]:
        """Return all types, with their prices and availability by location."""
        return products.server_types(self.api)

    def locations(self) -> list[Location]:
        """Return all locations."""
        return products.locations(self.api)

    def images(self) -> list[Image]:
        """Return all system images that are available."""
        return products.images(self.api)

    def find_addresses(self, owners: Sequence[Owner]) -> dict[Owner, Address]:
        """Return the addresses of these owners; an owner that has none is missing."""
        rows = self.api.primary_ips.get_all(label_selector=label_selector(owners))
        return {owner: read_address(row) for owner, row in _by_owner(rows, owners).items()}

    def reserve_address(self, name: str, region: str, owner: Owner) -> Address:
        """Create an IPv4 address that outlives its machine."""
        created = self.api.primary_ips.create(
            type="ipv4",
            name=name,
            location=LocationRef(name=region),
            assignee_type="server",
            auto_delete=False,
            labels=labels_of(owner),
        )
        return read_address(created.primary_ip)

    def release_address(self, address_id: int) -> bool:
        """Take one step towards its end: unassign it, or delete it. Return whether it is gone."""
        try:
            found = self.api.primary_ips.get_by_id(address_id)
            if found.assignee_id is not None:
                found.unassign()
                return False
            found.delete()
        except APIException as error:
            if error.code != "not_found":
                raise
            return True
        # The response has no content that would tell it from a proxy's page: look once more.
        return False

    def find_key(self, public_key: str) -> str | None:
        """Return the id of a key, under whatever name it is there; None if it is not."""
        found = self.api.ssh_keys.get_by_fingerprint(_fingerprint(public_key))
        return None if found is None else str(found.id)

    def add_key(self, name: str, public_key: str, owner: Owner) -> str:
        """Add a key and return its id. Raises `InvalidRequest` for one that cannot be read."""
        _fingerprint(public_key)
        created = self.api.ssh_keys.create(
            name=name, public_key=public_key, labels=labels_of(owner)
        )
        return str(created.id)

    def delete_keys(self, owner: Owner) -> bool:
        """Delete the keys of an owner. Return whether there was none left to delete."""
        found = self.api.ssh_keys.get_all(label_selector=label_selector([owner]))
        for key in found:
            self.delete_key(int(key.id or 0))
        return not found

    def delete_key(self, key_id: int) -> None:
        """Delete a key; one that is gone already is fine."""
        try:
            self.api.ssh_keys.delete(SSHKey(id=key_id))
        except APIException as error:
            if error.code != "not_found":
                raise

    def find_machines(self, owners: Sequence[Owner]) -> dict[Owner, Machine]:
        """Return the machines of these owners; an owner that has none is missing."""
        rows = self.api.servers.get_all(label_selector=label_selector(owners))
        return {owner: read_machine(row) for owner, row in _by_owner(rows, owners).items()}

    def machine(self, machine_id: int) -> Machine | None:
        """Return a machine by its id, or None if it is gone."""
        row = get_row(self.api, "machine", machine_id)
        return read_machine(row) if isinstance(row, BoundServer) else None

    def order_machine(self, order: MachineOrder) -> OrderedMachine:
        """Order a machine, on its reserved address or with one of its own."""
        address = None if order.address_id is None else PrimaryIP(id=int(order.address_id))
        created = self.api.servers.create(
            name=order.name,
            server_type=TypeRef(name=order.server_type),
            image=ImageRef(name=order.image),
            location=LocationRef(name=order.region),
            ssh_keys=[SSHKey(id=int(order.ssh_key_id))],
            user_data=order.user_data,
            labels=labels_of(order.owner),
            public_net=ServerCreatePublicNetwork(ipv4=address, enable_ipv4=True, enable_ipv6=True),
        )
        actions = (created.action, *(created.next_actions or []))
        return OrderedMachine(str(created.server.id), tuple(str(action.id) for action in actions))

    def actions(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return actions by their ids, at most 50; the library has no call for several at once."""
        body = self.api.request(
            method="GET", url="/actions", params={"id": list(ids), "per_page": MAX_ACTIONS}
        )
        return {str(action["id"]): action for action in body["actions"]}

    def delete_machine(self, machine_id: int) -> str | None:
        """Ask for its deletion; return the action to wait for, or None if it is gone already."""
        try:
            return str(self.api.servers.delete(Server(id=machine_id)).id)
        except APIException as error:
            if error.code != "not_found":
                raise
        return None

    def check_owner(
        self, provider: str, kind: ResourceKind, resource_id: int, owner: Owner
    ) -> None:
        """Raise `Conflict` if a resource is not this owner's; what is gone is nobody's."""
        row = get_row(self.api, kind, resource_id)
        if row is None or labels_of(owner).items() <= (row.labels or {}).items():
            return
        raise Conflict(
            f"{provider}: {kind} {resource_id} ({row.name}) does not carry the labels of"
            " what this installation made, so it is left alone",
            hint="delete it in the provider's console if it is yours, then: livchat doctor",
            details={"kind": kind, "id": str(resource_id), "labels": dict(row.labels or {})},
        )

    def _on_response(self, response: requests.Response, *_: object, **__: object) -> None:
        """Note the time of a response by Hetzner's clock, and what it says of the limit."""
        date = _date(response.headers)
        if date is not None:
            self._on_date(date)
        refused = response.status_code == TOO_MANY_REQUESTS
        info = _rate_limit(response.headers, date, refused=refused)
        if info is not None:
            self.rate_limits.append(info)


# -- labels: how Hetzner marks whose something is


class _Labelled(Protocol):
    @property
    def labels(self) -> dict[str, str] | None: ...


R = TypeVar("R", bound=_Labelled)


def labels_of(owner: Owner) -> dict[str, str]:
    """Return the labels of what belongs to an owner."""
    fields = {INSTALLATION: owner.installation_id, SERVER: owner.server, JOB: owner.root_job_id}
    return {MANAGED: "true", **{key: value for key, value in fields.items() if value is not None}}


def read_owner(labels: Mapping[str, str] | None) -> Owner | None:
    """Return whose something is by its labels; None if they are none of LivChat's."""
    if not labels or labels.get(MANAGED) != "true":
        return None
    return Owner(labels.get(INSTALLATION), labels.get(SERVER), labels.get(JOB))


def label_selector(owners: Sequence[Owner]) -> str:
    """Return Hetzner's label selector for all that belongs to these owners, and maybe more.

    It has the labels that are the same in all, and the one that tells most of the owners apart;
    more keys would only make it longer.
    """
    wanted = [labels_of(owner) for owner in owners]
    shared = sorted(set(wanted[0]).intersection(*wanted[1:]))
    values = {key: list(dict.fromkeys(labels[key] for labels in wanted)) for key in shared}
    varied = max(
        (key for key in shared if len(values[key]) > 1), key=lambda k: len(values[k]), default=""
    )
    return ",".join(
        f"{key}=={found[0]}" if len(found) == 1 else f"{key} in ({','.join(found)})"
        for key, found in values.items()
        if len(found) == 1 or key == varied
    )


def _by_owner(rows: Sequence[R], owners: Sequence[Owner]) -> dict[Owner, R]:
    """Return the first row of each owner: the one that carries all its labels."""
    wanted = [(owner, labels_of(owner).items()) for owner in owners]
    return {
        owner: row
        for row in reversed(rows)
        for owner, labels in wanted
        if labels <= (row.labels or {}).items()
    }


# -- what Hetzner returns, as our own types


def get_row(
    api: Client, kind: ResourceKind, resource_id: int
) -> BoundServer | BoundPrimaryIP | BoundSSHKey | None:
    """Return a resource as hcloud has it; None if it is gone."""
    try:
        if kind == "machine":
            return api.servers.get_by_id(resource_id)
        if kind == "address":
            return api.primary_ips.get_by_id(resource_id)
        return api.ssh_keys.get_by_id(resource_id)
    except APIException as error:
        if error.code == "not_found":
            return None
        raise


def read_address(row: BoundPrimaryIP) -> Address:
    """Return an address of hcloud's as ours."""
    return Address(
        id=str(row.id),
        ip=row.ip or "",
        name=row.name or "",
        owner=read_owner(row.labels),
        machine_id=None if row.assignee_id is None else str(row.assignee_id),
        region=(row.location.name or "") if row.location is not None else "",
    )


def read_machine(row: BoundServer) -> Machine:
    """Return a machine of hcloud's as ours.

    Its IPv6 address is the first of its network, which its system takes.
    """
    net = row.public_net
    ipv6 = net.ipv6.ip if net is not None and net.ipv6 is not None else None
    return Machine(
        id=str(row.id),
        name=row.name or "",
        status=row.status or "unknown",
        ip_address=net.ipv4.ip if net is not None and net.ipv4 is not None else None,
        ipv6_address=_first_address(ipv6),
        server_type=(row.server_type.name or "") if row.server_type is not None else "",
        region=(row.location.name or "") if row.location is not None else "",
        image=row.image.name if row.image is not None else None,
        owner=read_owner(row.labels),
        created_at=read_time(row.created),
    )


def read_time(created: Any) -> str:
    """Return a time of hcloud's in RFC 3339, or an empty text for None."""
    return created.isoformat().replace("+00:00", "Z") if created is not None else ""


def _fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint with colons, by which Hetzner finds keys."""
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise InvalidRequest.field("public_key", "is not an OpenSSH public key") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _first_address(network: str | None) -> str | None:
    if not network:
        return None
    base = network.split("/")[0]
    return f"{base}1" if base.endswith("::") else base


def _rate_limit(
    headers: Mapping[str, str], date: float | None, *, refused: bool
) -> RateLimitInfo | None:
    """Return what a response says of the limit; None where it says nothing.

    Its times agree with `date`, which is by the same clock.
    """
    try:
        limit, remaining = int(headers["RateLimit-Limit"]), int(headers["RateLimit-Remaining"])
        seconds = int(headers["RateLimit-Reset"]) - (now() if date is None else date)
    except (KeyError, ValueError, TypeError):
        if not refused:
            return None
        limit, remaining, seconds = 0, 0, 0.0
    after = headers.get("Retry-After", "")
    return RateLimitInfo(
        limit, remaining, seconds, refused, float(after) if after.isdecimal() else None
    )


def _date(headers: Mapping[str, str]) -> float | None:
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return None


def _may_retry(before: Callable[[APIException], bool], exception: APIException) -> bool:
    return exception.code != RATE_LIMIT_EXCEEDED and before(exception)


def _retry_pause(retries: int) -> float:
    return min(0.5 * 2.0**retries, MAX_RETRY_PAUSE_SECONDS)
