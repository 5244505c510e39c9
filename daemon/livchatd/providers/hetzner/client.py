"""The calls to Hetzner, blocking, each made in one thread. Import it late: it brings hcloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import requests
from hcloud import APIException, Client
from hcloud.images import Image as ImageRef
from hcloud.locations import Location as LocationRef
from hcloud.primary_ips import PrimaryIP
from hcloud.server_types import ServerType as TypeRef
from hcloud.servers import Server, ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey

from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import Address, Machine, MachineOrder, Ordered, Thing, ThingKind
from livchatd.providers.hetzner import parsing as read
from livchatd.providers.hetzner import resources as things
from livchatd.providers.rate_limiter import Told

CONNECTING = 6.0
"""Connecting has this part of the time that an answer has."""
RETRIES = 2
LONGEST_RETRY = 4.0


TOO_MANY, LIMITED = 429, "rate_limit_exceeded"


class Calls:
    """One thread's client. Errors are hcloud's and requests' own.

    `told` collects what the answers of the present call tell of the limit of requests.
    """

    def __init__(
        self,
        token: str,
        endpoint: str,
        version: str,
        timed: Callable[[float], None],
        timeout: float,
    ) -> None:
        self._client = Client(
            token,
            api_endpoint=endpoint,
            application_name="livchat-setup",
            application_version=version,
            # The library's own default is to wait for ever.
            timeout=(max(timeout / CONNECTING, 1.0), timeout),
        )
        # The library tries five times with pauses of up to a minute, in which a cancelled job
        # cannot end; the steps try again by themselves. There is no parameter for it.
        base = self._client._client  # noqa: SLF001
        base._retry_max_retries = RETRIES  # noqa: SLF001
        base._retry_interval_func = _pause  # noqa: SLF001
        self._timed = timed
        base._session.hooks["response"].append(self._answered)  # noqa: SLF001
        # Over the limit all wait for their turn, and no thread with them.
        base._retry_policy = partial(_passes, base._retry_policy)  # type: ignore[method-assign]  # noqa: SLF001
        base._session.hooks["response"].append(self._hear)  # noqa: SLF001
        self.told: list[Told] = []

    def _answered(self, answer: Any, *_: Any, **__: Any) -> None:
        """Tell when it was sent by their clock, in seconds since the epoch."""
        try:
            self._timed(parsedate_to_datetime(answer.headers["Date"]).timestamp())
        except (KeyError, ValueError):
            return

    def check(self) -> None:
        """The cheapest request that reads the token."""
        self._client.servers.get_list(per_page=1)

    def server_types(self) -> list[ServerType]:
        """Types and prices."""
        pricing = self._client.request(method="GET", url="/pricing")["pricing"]
        ipv4 = read.address_prices(pricing)
        return [
            read.server_type(found, ipv4, pricing["currency"])
            for found in self._client.server_types.get_all()
        ]

    def locations(self) -> list[Location]:
        """Locations."""
        return [read.location(found) for found in self._client.locations.get_all()]

    def images(self) -> list[Image]:
        """System images, the deprecated ones among them."""
        # `status=` is left out: hcloud 2.27 sends the page size in its place (images/client.py).
        found = self._client.images.get_all(type=["system"], include_deprecated=True)
        return [read.image(image) for image in found if image.status == "available"]

    def find_addresses(self, labels: Mapping[str, Sequence[str]]) -> list[Address]:
        """By label, of which each may have one of several values."""
        found = self._client.primary_ips.get_all(label_selector=_selector(labels))
        return [read.address(each) for each in found]

    def reserve_address(self, name: str, region: str, labels: Mapping[str, str]) -> Address:
        """An IPv4 address that outlives its machine."""
        made = self._client.primary_ips.create(
            type="ipv4",
            name=name,
            location=LocationRef(name=region),
            assignee_type="server",
            auto_delete=False,
            labels=dict(labels),
        )
        return read.address(made.primary_ip)

    def release_address(self, address_id: int) -> bool:
        """One move towards its end: unassign it, or delete it. Whether it is gone."""
        try:
            found = self._client.primary_ips.get_by_id(address_id)
            if found.assignee_id is not None:
                found.unassign()
                return False
            found.delete()
        except APIException as error:
            if error.code != "not_found":
                raise
            return True
        # Its answer has no content that would tell it from a proxy's page: the next look does.
        return False

    def find_key(self, fingerprint: str) -> str | None:
        """The id of a key by its MD5 fingerprint."""
        found = self._client.ssh_keys.get_by_fingerprint(fingerprint)
        return None if found is None else str(found.id)

    def add_key(self, name: str, public_key: str, labels: Mapping[str, str]) -> str:
        """Add a key."""
        made = self._client.ssh_keys.create(name=name, public_key=public_key, labels=dict(labels))
        return str(made.id)

    def delete_keys(self, labels: Mapping[str, str]) -> bool:
        """Delete the keys with these labels. Whether there was none left to delete."""
        found = self._client.ssh_keys.get_all(
            label_selector=_selector({key: (value,) for key, value in labels.items()})
        )
        for key in found:
            self.delete_key(int(key.id or 0))
        return not found

    def delete_key(self, key_id: int) -> None:
        """Delete a key; one that is gone already is fine."""
        try:
            self._client.ssh_keys.delete(SSHKey(id=key_id))
        except APIException as error:
            if error.code != "not_found":
                raise

    def things(self) -> list[Thing]:
        """All that carries LivChat's label, with prices."""
        return things.everything(self._client)

    def thing(self, kind: ThingKind, thing_id: int) -> Thing | None:
        """One of them, or None if it is gone."""
        return things.one(self._client, kind, thing_id)

    def find_machines(self, labels: Mapping[str, Sequence[str]]) -> list[Machine]:
        """By label, of which each may have one of several values."""
        found = self._client.servers.get_all(label_selector=_selector(labels))
        return [read.machine(each) for each in found]

    def machine(self, machine_id: int) -> Machine | None:
        """By id."""
        try:
            return read.machine(self._client.servers.get_by_id(machine_id))
        except APIException as error:
            if error.code == "not_found":
                return None
            raise

    def order(self, order: MachineOrder) -> Ordered:
        """Order a machine on a reserved address."""
        made = self._client.servers.create(
            name=order.name,
            server_type=TypeRef(name=order.server_type),
            image=ImageRef(name=order.image),
            location=LocationRef(name=order.region),
            ssh_keys=[SSHKey(id=int(order.ssh_key_id))],
            user_data=order.user_data,
            labels=dict(order.labels),
            public_net=ServerCreatePublicNetwork(
                ipv4=PrimaryIP(id=int(order.address_id)), enable_ipv4=True, enable_ipv6=True
            ),
        )
        actions = (made.action, *(made.next_actions or []))
        return Ordered(str(made.server.id), tuple(str(action.id) for action in actions))

    def actions(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Actions by id; the library has no call for several at once."""
        answer = self._client.request(
            method="GET", url="/actions", params={"id": list(ids), "per_page": 50}
        )
        return list(answer["actions"])

    def delete_machine(self, machine_id: int) -> str | None:
        """Ask for its deletion: the action to wait for, or None if it is gone already."""
        try:
            return str(self._client.servers.delete(Server(id=machine_id)).id)
        except APIException as error:
            if error.code != "not_found":
                raise
        return None

    def _hear(self, answer: requests.Response, *_: object, **__: object) -> None:
        """Note what an answer tells of the limit."""
        told = read.limit(answer.headers, refused=answer.status_code == TOO_MANY)
        if told is not None:
            self.told.append(told)


def _selector(labels: Mapping[str, Sequence[str]]) -> str:
    return ",".join(
        f"{key}=={values[0]}" if len(values) == 1 else f"{key} in ({','.join(values)})"
        for key, values in sorted(labels.items())
    )


def _passes(before: Callable[[APIException], bool], exception: APIException) -> bool:
    return exception.code != LIMITED and before(exception)


def _pause(retries: int) -> float:
    return min(0.5 * 2.0**retries, LONGEST_RETRY)
