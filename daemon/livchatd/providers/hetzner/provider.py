"""Hetzner Cloud, through its own library in threads of our own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import math
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from livchat import __version__
from livchat.errors import (
    Conflict,
    Invalid,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TimedOut,
)
from livchat.wire.providers import Image, Location, ServerType
from livchatd.providers.base import (
    ActionState,
    Address,
    DnsAccess,
    Machine,
    MachineOrder,
    Ordered,
    Reach,
    Thing,
    ThingKind,
)
from livchatd.providers.batching import Search
from livchatd.providers.hetzner.actions import ActionWatch
from livchatd.providers.rate_limiter import PATIENCE, Pace, Told
from livchatd.providers.thread_pool import CallPool

if TYPE_CHECKING:
    from livchatd.providers.hetzner.client import Calls

T = TypeVar("T")

ENDPOINT = "https://api.hetzner.cloud/v1"
THREADS = 8
CALLS_IN_ONE = 4
"""How many time-outs one call may take, its retries and its wait for a thread included,
not that for its turn."""
REFUSALS = 3
"""How often one call is offered to Hetzner when it answers that there were too many."""
PAUSES, AT_ONCE = (0.5, 1.0), 5.0
"""Seconds before a list is asked for again, and in which it must have failed for that."""
GONE_WITHIN = 300.0
"""Seconds in which something that is deleted must be gone."""
FRESH = 60.0
"""Seconds for which types, locations and images are remembered."""
BUSY = frozenset({"locked", "conflict"})
"""Hetzner's codes for: another action is still at work on it."""


@dataclass(frozen=True)
class _Terms:
    """How long a call may take. `urgent` is what a person or an undo waits for.

    `patience` is for its turn, `within` for the call itself (None: as long as any), in seconds.
    """

    urgent: bool = True
    patience: float = math.inf
    within: float | None = None
    refusals: int = REFUSALS


_SHARED = _Terms(urgent=False)
_PURCHASE = _Terms(urgent=False, patience=PATIENCE)
_LISTING = _Terms(patience=20.0, within=20.0)
"""Somebody waits for a list in a terminal, or for the choice that is made from it."""


class Hetzner:
    """A project at Hetzner Cloud. `endpoint` ends without a slash."""

    def __init__(
        self,
        token: SecretStr,
        endpoint: str = ENDPOINT,
        name: str = "hetzner",
        *,
        poll: float = 0.2,
        timeout: float = 30.0,
    ) -> None:
        self._token = token
        self._endpoint = endpoint
        self._name = name
        self._poll = poll
        self._timeout = timeout
        self._pool = CallPool(name, THREADS, CALLS_IN_ONE * timeout)
        self._own = threading.local()
        self._pace = Pace()
        self._watch = ActionWatch(self._actions)
        self._ahead: float | None = None
        self._machines = Search(self._find_machines)
        self._addresses = Search(self._find_addresses)
        self._remembered: dict[str, tuple[float, Any]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._name

    @property
    def ahead(self) -> float | None:
        """Seconds by which its clock is ahead of ours, by its last answer; None without one."""
        return self._ahead

    async def check(self) -> None:
        """Try the token."""
        await self._ask("try the token", lambda calls: calls.check())

    async def server_types(self) -> list[ServerType]:
        """All types, at most a minute old."""
        return await self._remember("list the server types", lambda calls: calls.server_types())

    async def locations(self) -> list[Location]:
        """All locations, at most a minute old."""
        return await self._remember("list the locations", lambda calls: calls.locations())

    async def images(self) -> list[Image]:
        """All system images, at most a minute old."""
        return await self._remember("list the images", lambda calls: calls.images())

    async def find_address(self, labels: Mapping[str, str]) -> Address | None:
        """The address that carries all these labels, or None; who asks at once, asks together."""
        return await self._addresses.first(labels)

    async def reserve_address(self, name: str, region: str, labels: Mapping[str, str]) -> Address:
        """Reserve an IPv4 address."""
        return await self._buy(
            f"reserve address {name}", lambda calls: calls.reserve_address(name, region, labels)
        )

    async def release_address(self, address_id: str, labels: Mapping[str, str]) -> None:
        """Give it back."""
        doing = f"release address {address_id}"

        async def gone() -> bool:
            await self._must_be_ours("address", address_id, labels)
            return await self._ask(doing, lambda calls: calls.release_address(int(address_id)))

        await self._until(gone, doing)

    async def ensure_key(self, name: str, public_key: str, labels: Mapping[str, str]) -> str:
        """The id of the SSH key; one that the project has under another name serves as well."""
        fingerprint = _fingerprint(public_key)
        doing = f"add SSH key {name}"
        try:
            return await self._buy(doing, lambda calls: calls.add_key(name, public_key, labels))
        except Conflict:
            # Nearly always it is new: to look first would be one call more for each server.
            found = await self._ask(doing, lambda calls: calls.find_key(fingerprint))
            if found is None:
                raise
            return found

    async def delete_key(self, labels: Mapping[str, str]) -> None:
        """Delete the SSH keys that carry all these labels."""
        doing = "delete the SSH key"

        async def gone() -> bool:
            return await self._ask(doing, lambda calls: calls.delete_keys(labels))

        await self._until(gone, doing)

    async def find_machine(self, labels: Mapping[str, str]) -> Machine | None:
        """The machine that carries all these labels, or None; who asks at once, asks together."""
        return await self._machines.first(labels)

    async def machine(self, machine_id: str) -> Machine | None:
        """One machine, or None if it is gone."""
        return await self._ask(
            f"look at machine {machine_id}", lambda calls: calls.machine(int(machine_id))
        )

    async def order(self, order: MachineOrder) -> Ordered:
        """Order a machine."""
        return await self._buy(f"order machine {order.name}", lambda calls: calls.order(order))

    async def actions(self, actions: tuple[str, ...]) -> ActionState:
        """How far these actions are; jobs that ask at the same time share a request."""
        return await self._watch.state(actions)

    async def delete_machine(self, machine_id: str, labels: Mapping[str, str]) -> None:
        """Delete it and wait until it is gone, also while another action is still at work on it."""
        doing = f"delete machine {machine_id}"
        asked: str | None = None

        async def gone() -> bool:
            nonlocal asked
            if asked is None:
                await self._must_be_ours("machine", machine_id, labels)
                asked = await self._ask(doing, lambda calls: calls.delete_machine(int(machine_id)))
            if await self.machine(machine_id) is None:
                return True
            if asked is not None and (error := await self._failure(asked)):
                raise ProviderError(
                    f"{doing}: hetzner took the order and then did not: {error}",
                    hint="look at it: https://console.hetzner.cloud",
                )
            return False

        await self._until(gone, doing)

    async def there(self) -> bool:
        """It always is."""
        return True

    async def things(self) -> list[Thing]:
        """Everything that LivChat made in the project, with prices."""
        return await self._ask("look for what is ours", lambda calls: calls.things())

    async def thing(self, kind: ThingKind, thing_id: str) -> Thing | None:
        """One thing as it is now."""
        return await self._ask(
            f"look at {kind} {thing_id}", lambda calls: calls.thing(kind, int(thing_id))
        )

    async def discard(self, kind: ThingKind, thing_id: str, labels: Mapping[str, str]) -> None:
        """Delete a thing of any kind."""
        if kind == "machine":
            await self.delete_machine(thing_id, labels)
        elif kind == "address":
            await self.release_address(thing_id, labels)
        else:
            await self._must_be_ours(kind, thing_id, labels)
            await self._ask(
                f"delete SSH key {thing_id}", lambda calls: calls.delete_key(int(thing_id))
            )

    async def reach(self, ip_address: str) -> Reach:
        """Its public address."""
        return Reach(ssh_host=ip_address, web_host=ip_address)

    async def dns(self) -> DnsAccess | None:
        """The user's own account."""
        return None

    async def close(self) -> None:
        """Take no more calls. A call that hangs is left behind in its thread."""
        self._pace.close()
        self._pool.close()

    async def _must_be_ours(
        self, kind: ThingKind, thing_id: str, labels: Mapping[str, str]
    ) -> None:
        """`Conflict` unless it carries these labels; what is gone is nobody's."""
        found = await self.thing(kind, thing_id)
        if found is None or labels.items() <= found.labels.items():
            return
        raise Conflict(
            f"{self.name}: {kind} {thing_id} ({found.name}) does not carry the labels of"
            " what this installation made, so it is left alone",
            hint="delete it in the provider's console if it is yours, then: livchat doctor",
            details={"kind": kind, "id": thing_id, "labels": dict(found.labels)},
        )

    async def _failure(self, action: str) -> str | None:
        """Why an action failed, if it did; one that is forgotten has ended."""
        try:
            return (await self.actions((action,))).error
        except NotFound:
            return None

    async def _actions(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        return await self._ask("look at the actions", lambda calls: calls.actions(ids), _SHARED)

    async def _find_machines(self, labels: Mapping[str, Sequence[str]]) -> list[Machine]:
        return await self._ask(
            "find the machine", lambda calls: calls.find_machines(labels), _SHARED
        )

    async def _find_addresses(self, labels: Mapping[str, Sequence[str]]) -> list[Address]:
        return await self._ask(
            "find the address", lambda calls: calls.find_addresses(labels), _SHARED
        )

    async def _buy(self, doing: str, call: Callable[[Calls], T]) -> T:
        return await self._ask(doing, call, _PURCHASE)

    async def _ask(
        self,
        doing: str,
        call: Callable[[Calls], T],
        terms: _Terms = _Terms(),
    ) -> T:
        """Make a call in its turn."""
        urgent = terms.urgent
        for tries in range(1, terms.refusals + 1):
            told: list[Told] = []
            mark = await self._pace.turn(urgent=urgent, patience=terms.patience)
            try:
                return await self._pool.run(
                    partial(self._in_thread, doing, call, told), terms.within
                )
            except RateLimited:
                # It was not carried out: when all may go on, so may this one.
                if tries == terms.refusals:
                    raise
                urgent = True
            finally:
                self._pace.ended(mark, told)
        raise RateLimited(f"hetzner's limit of requests: {doing}")

    def _in_thread(self, doing: str, call: Callable[[Calls], T], told: list[Told]) -> T:
        # hcloud takes a third of a second to import: here, in the thread, and when first needed.
        from livchatd.providers.hetzner.client import Calls  # noqa: PLC0415
        from livchatd.providers.hetzner.errors import EXPECTED, explain  # noqa: PLC0415

        try:
            if not hasattr(self._own, "calls"):
                token = self._token.get_secret_value()
                self._own.calls = Calls(
                    token, self._endpoint, __version__, self._timed, self._timeout
                )
            self._own.calls.told = told
            return call(self._own.calls)
        except EXPECTED as error:
            raise explain(error, doing) from error

    def _timed(self, theirs: float) -> None:
        self._ahead = theirs - time.time()

    async def _remember(self, doing: str, call: Callable[[Calls], T]) -> T:
        async with self._asking.setdefault(doing, asyncio.Lock()):
            since, value = self._remembered.get(doing, (0.0, None))
            if value is None or time.monotonic() - since > FRESH:
                value = await self._listed(doing, call)
                self._remembered[doing] = (time.monotonic(), value)
            kept: T = value
            return kept

    async def _listed(self, doing: str, call: Callable[[Calls], T]) -> T:
        """A list; what failed at once is asked for again, as it may pass a moment later."""
        began = time.monotonic()
        for pause in PAUSES:
            try:
                return await self._ask(doing, call, _LISTING)
            except ProviderUnavailable:
                if time.monotonic() - began > AT_ONCE:
                    raise
            await asyncio.sleep(pause)
        return await self._ask(doing, call, _LISTING)

    async def _until(self, gone: Callable[[], Awaitable[bool]], doing: str) -> None:
        """Ask until it is gone, and go on asking while another action holds it."""
        pause = self._poll
        try:
            async with asyncio.timeout(GONE_WITHIN):
                while not await _unless_busy(gone):
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, 2.0)
        except TimeoutError:
            raise TimedOut(f"{doing}: it is still there after {GONE_WITHIN:g} s") from None


async def _unless_busy(gone: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await gone()
    except ProviderUnavailable as error:
        if error.details.get("provider_code") not in BUSY:
            raise
        return False


def _fingerprint(public_key: str) -> str:
    """The MD5 fingerprint with colons, by which Hetzner finds keys."""
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise Invalid.field("public_key", "is not an OpenSSH public key") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
