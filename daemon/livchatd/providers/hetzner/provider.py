"""Hetzner Cloud, by its own library."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from livchat import __version__
from livchat.errors import (
    Conflict,
    NotFound,
    ProviderError,
    ProviderUnavailable,
)
from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import (
    ActionState,
    Address,
    Addresses,
    DnsAccess,
    Endpoints,
    Machine,
    MachineOrder,
    OrderedMachine,
    Owner,
    ProviderSettings,
    Resource,
    ResourceKind,
)
from livchatd.providers.calls import (
    URGENT,
    Batcher,
    CallPolicy,
    CallQueue,
    ListCache,
    poll_until_gone,
)
from livchatd.providers.rate_limiter import RateLimiter, RateLimitInfo

if TYPE_CHECKING:
    from livchatd.providers.hetzner.client import BlockingClient

T = TypeVar("T")

ENDPOINT = "https://api.hetzner.cloud/v1"
THREADS = 8
PAGE = 50
"""Hetzner's largest page."""
MAX_AGE_SECONDS = 60.0
"""For which types, locations and images are remembered."""

SHARED = CallPolicy(urgent=False)
PURCHASE = CallPolicy(urgent=False, max_wait=300.0)
"""The step that buys is retried later; its own time runs."""
LISTING = CallPolicy(max_wait=20.0, timeout=20.0)
"""Somebody waits for a list in a terminal, or for the choice that is made from it."""


@dataclass(frozen=True)
class Project:
    """A project at Hetzner: where its API answers, without a slash at the end, and its token."""

    endpoint: str
    token: SecretStr = field(repr=False)


Connect = Callable[[Project | None], Awaitable[Project]]
"""Returns the project to use; given one that did not answer, another one if it has moved."""


def build(settings: ProviderSettings) -> Hetzner:
    """Return Hetzner with a token, at HCLOUD_ENDPOINT if that is set, as for `hcloud`."""
    if settings.token is None:
        raise TypeError("hetzner is built with a token")
    endpoint = os.environ.get("HCLOUD_ENDPOINT")
    return Hetzner(
        fixed(Project(endpoint.rstrip("/") if endpoint else ENDPOINT, settings.token)),
        timeout=settings.timeout,
    )


def fixed(project: Project) -> Connect:
    """Return a connect for a project that never moves."""

    async def connect(lost: Project | None) -> Project:
        del lost
        return project

    return connect


class Hetzner:
    """A project at Hetzner Cloud.

    `connect` is asked for the project before each call, and again with the one that did not answer.
    `poll` is the first pause between looks at what is being deleted, `timeout` is for one request;
    both in seconds.
    """

    def __init__(
        self, connect: Connect, name: str = "hetzner", *, poll: float = 0.2, timeout: float = 30.0
    ) -> None:
        self._connect = connect
        self._name = name
        self._poll = poll
        self._timeout = timeout
        self._queue = CallQueue(name, RateLimiter("hetzner"), THREADS, timeout)
        self._thread = threading.local()
        self._clock_offset: float | None = None
        self._machines = Batcher(self._find_machines, PAGE)
        self._addresses = Batcher(self._find_addresses, PAGE)
        self._actions = Batcher(self._find_actions, PAGE)
        self._lists = ListCache(MAX_AGE_SECONDS)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._name

    @property
    def sells_machines(self) -> bool:
        """Machines are bought here."""
        return True

    @property
    def addresses(self) -> Addresses | None:
        """Its primary IPs, which are reserved before their machine."""
        return self

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which its clock is ahead of ours, by its last response."""
        return self._clock_offset

    async def check(self) -> None:
        """Try the token."""
        await self._call("try the token", lambda client: client.check())

    async def server_types(self) -> list[ServerType]:
        """Return all types, at most a minute old."""
        return await self._list("list the server types", lambda client: client.server_types())

    async def locations(self) -> list[Location]:
        """Return all locations, at most a minute old."""
        return await self._list("list the locations", lambda client: client.locations())

    async def images(self) -> list[Image]:
        """Return all system images, at most a minute old."""
        return await self._list("list the images", lambda client: client.images())

    async def find_address(self, owner: Owner) -> Address | None:
        """Return the address of this owner, or None; calls at the same time share a request."""
        return (await self._addresses.load([owner])).get(owner)

    async def reserve_address(self, name: str, region: str, owner: Owner) -> Address:
        """Reserve a primary IPv4 address."""
        return await self._call(
            f"reserve address {name}",
            lambda client: client.reserve_address(name, region, owner),
            PURCHASE,
        )

    async def release_address(self, address_id: str, owner: Owner) -> None:
        """Unassign an address and delete it."""
        doing = f"release address {address_id}"

        async def is_gone() -> bool:
            await self._check_owner("address", address_id, owner)
            return await self._call(doing, lambda client: client.release_address(int(address_id)))

        await poll_until_gone(is_gone, _is_locked, doing, self._poll)

    async def ensure_key(self, name: str, public_key: str, owner: Owner) -> str:
        """Return the id of an SSH key; one that the project has under another name serves too."""
        doing = f"add SSH key {name}"
        try:
            return await self._call(
                doing, lambda client: client.add_key(name, public_key, owner), PURCHASE
            )
        except Conflict:
            # Nearly always it is new: to look first would be one call more for each server.
            found = await self._call(doing, lambda client: client.find_key(public_key))
            if found is None:
                raise
            return found

    async def delete_key(self, owner: Owner) -> None:
        """Delete the SSH keys of this owner."""
        doing = "delete the SSH key"

        async def is_gone() -> bool:
            return await self._call(doing, lambda client: client.delete_keys(owner))

        await poll_until_gone(is_gone, _is_locked, doing, self._poll)

    async def find_machine(self, owner: Owner) -> Machine | None:
        """Return the machine of this owner, or None; calls at the same time share a request."""
        return (await self._machines.load([owner])).get(owner)

    async def machine(self, machine_id: str) -> Machine | None:
        """Return a machine by its id, or None if it is gone."""
        return await self._call(
            f"look at machine {machine_id}", lambda client: client.machine(int(machine_id))
        )

    async def order_machine(self, order: MachineOrder) -> OrderedMachine:
        """Buy a machine."""
        return await self._call(
            f"order machine {order.name}", lambda client: client.order_machine(order), PURCHASE
        )

    async def action_state(self, actions: tuple[str, ...]) -> ActionState:
        """Return how far actions are; jobs that ask at the same time share a request."""
        if not actions:
            return ActionState(100.0, done=True)
        found = await self._actions.load(actions)
        missing = [action for action in actions if action not in found]
        if missing:
            raise NotFound(f"hetzner does not know action {missing[0]}")
        return _combined_state([found[action] for action in actions])

    async def delete_machine(self, machine_id: str, owner: Owner) -> None:
        """Delete a machine and wait until it is gone, also while another action works on it."""
        doing = f"delete machine {machine_id}"
        action: str | None = None

        async def is_gone() -> bool:
            nonlocal action
            if action is None:
                await self._check_owner("machine", machine_id, owner)
                action = await self._call(
                    doing, lambda client: client.delete_machine(int(machine_id))
                )
            if await self.machine(machine_id) is None:
                return True
            if action is not None and (error := await self._failure(action)):
                raise ProviderError(
                    f"{doing}: hetzner took the order and then did not: {error}",
                    hint="look at it: https://console.hetzner.cloud",
                )
            return False

        await poll_until_gone(is_gone, _is_locked, doing, self._poll)

    async def is_running(self) -> bool:
        """Return True: it always is."""
        return True

    async def list_resources(self) -> list[Resource]:
        """Return everything that LivChat made in the project, with prices."""
        return await self._call("look for what is ours", _list_resources)

    async def resource(self, kind: ResourceKind, resource_id: str) -> Resource | None:
        """Return one resource, without its price; None if it is gone."""
        return await self._call(
            f"look at {kind} {resource_id}", partial(_get_resource, kind, resource_id)
        )

    async def delete_resource(self, kind: ResourceKind, resource_id: str, owner: Owner) -> None:
        """Delete a resource of any kind."""
        if kind == "machine":
            await self.delete_machine(resource_id, owner)
        elif kind == "address":
            await self.release_address(resource_id, owner)
        else:
            await self._check_owner(kind, resource_id, owner)
            await self._call(
                f"delete SSH key {resource_id}", lambda client: client.delete_key(int(resource_id))
            )

    async def endpoints(self, ip_address: str) -> Endpoints:
        """Return its public address with the usual ports."""
        return Endpoints(ssh_host=ip_address, web_host=ip_address)

    async def dns(self) -> DnsAccess | None:
        """Return None: the user's own account is used."""
        return None

    async def close(self) -> None:
        """Take no more calls. A call that hangs is left behind in its thread."""
        self._queue.close()

    async def _check_owner(self, kind: ResourceKind, resource_id: str, owner: Owner) -> None:
        await self._call(
            f"look at {kind} {resource_id}",
            lambda client: client.check_owner(self.name, kind, int(resource_id), owner),
        )

    async def _failure(self, action: str) -> str | None:
        """Return why an action failed, if it did; one that is forgotten has ended."""
        try:
            return (await self.action_state((action,))).error
        except NotFound:
            return None

    async def _find_machines(self, owners: Sequence[Owner]) -> Mapping[Owner, Machine]:
        return await self._call(
            "find the machine", lambda client: client.find_machines(owners), SHARED
        )

    async def _find_addresses(self, owners: Sequence[Owner]) -> Mapping[Owner, Address]:
        return await self._call(
            "find the address", lambda client: client.find_addresses(owners), SHARED
        )

    async def _find_actions(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._call("look at the actions", lambda client: client.actions(ids), SHARED)

    async def _call(
        self,
        doing: str,
        call: Callable[[BlockingClient], T],
        policy: CallPolicy = URGENT,
    ) -> T:
        """Make a call in its turn, once more where the project has moved; `doing` is for errors."""
        project = await self._connect(None)
        try:
            return await self._queue.run(partial(self._run, project, doing, call), policy)
        except ProviderUnavailable as error:
            if "provider_code" in error.details:
                raise  # it answered
            moved = await self._connect(project)
            if moved == project:
                raise
        return await self._queue.run(partial(self._run, moved, doing, call), policy)

    def _run(
        self,
        project: Project,
        doing: str,
        call: Callable[[BlockingClient], T],
        rate_limits: list[RateLimitInfo],
    ) -> T:
        """Make a call in this thread, with a client of its own."""
        # hcloud takes a third of a second to import: here, in the thread, and when first needed.
        from livchatd.providers.hetzner.client import BlockingClient  # noqa: PLC0415
        from livchatd.providers.hetzner.errors import EXPECTED, explain  # noqa: PLC0415

        try:
            if getattr(self._thread, "project", None) != project:
                token = project.token.get_secret_value()
                self._thread.client = BlockingClient(
                    token, project.endpoint, __version__, self._set_clock_offset, self._timeout
                )
                self._thread.project = project
            client: BlockingClient = self._thread.client
            client.rate_limits = rate_limits
            return call(client)
        except EXPECTED as error:
            raise explain(error, doing) from error

    def _set_clock_offset(self, seconds: float) -> None:
        self._clock_offset = seconds - time.time()

    async def _list(self, doing: str, call: Callable[[BlockingClient], T]) -> T:
        return await self._lists.get(doing, lambda: self._call(doing, call, LISTING))


def _list_resources(client: BlockingClient) -> list[Resource]:
    from livchatd.providers.hetzner.resources import list_resources  # noqa: PLC0415

    return list_resources(client.api)


def _get_resource(kind: ResourceKind, resource_id: str, client: BlockingClient) -> Resource | None:
    from livchatd.providers.hetzner.resources import get_resource  # noqa: PLC0415

    return get_resource(client.api, kind, int(resource_id))


def _is_locked(error: ProviderUnavailable) -> bool:
    """Return whether another action is still at work on it, by Hetzner's code."""
    return error.details.get("provider_code") in {"locked", "conflict"}


def _combined_state(actions: Sequence[Mapping[str, Any]]) -> ActionState:
    """Return how far some actions are, all together; the first that failed is the error."""
    failed = next((action for action in actions if action["status"] == "error"), None)
    if failed is not None:
        error = failed.get("error") or {}
        reason = error.get("message") or error.get("code") or "no reason given"
        return ActionState(100.0, done=True, error=f"{failed['command']}: {reason}")
    done = all(action["status"] == "success" for action in actions)
    parts = [100 if a["status"] == "success" else a.get("progress") or 0 for a in actions]
    return ActionState(sum(parts) / len(parts), done=done)
