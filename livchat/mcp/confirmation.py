"""What a person has to agree to before it is done: what is bought, deleted or run."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from typing import Any, NamedTuple

from livchat.client import Client
from livchat.errors import Conflict, Invalid, NotFound, SoldOut
from livchat.mcp.inputs import BuyServer, Destroy, Execute, Uninstall
from livchat.mcp.untrusted import one_line
from livchat.wire.base import Request

Json = dict[str, Any]

FREE = frozenset({"sandbox", "own"})
"""Providers that sell nothing."""
CORES, MEMORY_GB = 2, 4
"""What a server has at least where nobody said; the daemon chooses the same way."""
_SHOWN = 5
_SHELL = re.compile(r"[;&|<>$`(){}!\\\n\r]")
_READING = {
    "cat", "df", "du", "echo", "free", "head", "id", "ls", "lsblk", "lscpu", "nproc", "printf",
    "ps", "pwd", "stat", "tail", "uname", "uptime", "wc", "whoami",
}  # fmt: skip
_READING_WITH = {
    "docker": {
        "ps", "images", "info", "version", "logs", "stats", "top", "port", "node ls", "network ls",
        "service ls", "service ps", "service logs", "stack ls", "stack ps", "stack services",
        "volume ls", "system df",
    },
    "systemctl": {"status", "is-active", "is-enabled", "list-units", "list-timers"},
}  # fmt: skip


class ConfirmationNeeded(Conflict):
    """The person has not agreed yet; details hold the phrase that says that they have."""

    code = "confirmation_needed"


class Question(NamedTuple):
    """What the person is asked, and the phrase that names exactly what goes."""

    message: str
    phrase: str


class Offer(NamedTuple):
    """A server type where it can be had, and its price."""

    price: Decimal
    name: str
    region: str
    told: str


Settled = tuple[Request, Question | None]
"""An order without open choices, and what has to be asked before it is sent."""


def purchase(client: Client, order: BuyServer) -> Settled:
    """A server at its price: what is agreed to is what is ordered. The sandbox sells nothing."""
    _must_be_free(client, order.name)
    if order.provider in FREE:
        return order, None
    sold = client.server_types(provider=order.provider)
    order = order.model_copy(update={"provider": sold["provider"]})
    if sold["provider"] in FREE:
        return order, None
    offer = _cheapest(sold["server_types"], order)
    order = order.model_copy(update={"server_type": offer.name, "region": offer.region})
    message = (
        f"Comprar o servidor {order.name} na {sold['provider']}: "
        f"{offer.name} em {offer.region}, {offer.told} por mês?"
    )
    return order, Question(message, f"{order.name}: {offer.name} em {offer.region}, {offer.told}")


def destruction(client: Client, order: Destroy) -> Settled:
    """A server with everything on it."""
    server = client.server(order.server_name)
    apps = ", ".join(server["apps"])
    address = server["ip_address"] or "sem endereço"
    on_it = f"com {apps} e todos os dados" if apps else "sem apps"
    message = f"Destruir para sempre o servidor {server['name']} ({address}), {on_it}?"
    return order, Question(message, f"{server['name']} com {apps}" if apps else server["name"])


def removal(client: Client, order: Uninstall) -> Settled:
    """An app on a server."""
    installed = [app["app_name"] for app in client.installed_apps(order.server_name)["apps"]]
    if order.app_name not in installed:
        raise NotFound(
            f"there is no app '{order.app_name}' on '{order.server_name}'; "
            f"there are: {', '.join(installed) or 'none'}",
            hint=f"livchat app list {order.server_name}",
        )
    phrase = f"{order.app_name} em {order.server_name}"
    return order, Question(f"Desinstalar {phrase}? O app sai do ar.", phrase)


def execution(client: Client, order: Execute) -> Settled:  # noqa: ARG001 - like the others
    """A command, unless it only looks."""
    if only_looks(order.command):
        return order, None
    message = f"Executar em {order.server_name}, como root: {one_line(order.command)}"
    return order, Question(message, order.command)


def only_looks(command: str) -> bool:
    """Is this one program of those that change nothing? Only the plainest commands are known."""
    if _SHELL.search(command):
        return False
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if not words:
        return False
    known = _READING_WITH.get(words[0])
    if known is None:
        return words[0] in _READING
    return " ".join(words[1:2]) in known or " ".join(words[1:3]) in known


def _must_be_free(client: Client, name: str) -> None:
    try:
        server = client.server(name)
    except NotFound:
        return
    job_id = server["job_id"]
    raise Conflict(
        f"there is already a server '{name}'",
        hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {name}",
        details={"server": name, "job_id": job_id},
    )


def _cheapest(types: list[Json], order: BuyServer) -> Offer:
    """The offer that will be bought; what there is instead where there is none."""
    offers = sorted(_offers(types))
    fitting = [offer for offer in offers if _fits(offer, types, order)]
    if fitting:
        return fitting[0]
    wanted = " ".join(filter(None, (order.server_type, order.region and f"em {order.region}")))
    alike = order.model_copy(update={"server_type": None})
    instead = [offer for offer in offers if _fits(offer, types, alike)] or offers
    had = "; ".join(f"{o.name} em {o.region} ({o.told} por mês)" for o in instead[:_SHOWN])
    message = f"{wanted or 'such a server'} cannot be had now; to be had: {had or 'nothing'}"
    hint = "criar-servidor com server_type e region de uma destas ofertas"
    known = any(kind["name"] == order.server_type for kind in types if not kind["deprecated"])
    if known or order.server_type is None:
        raise SoldOut(message, hint=hint)
    raise Invalid.field("server_type", message, hint=hint)


def _offers(types: list[Json]) -> list[Offer]:
    return [
        Offer(
            Decimal(place["price_monthly"] or "Infinity"), kind["name"], place["name"], _told(place)
        )
        for kind in types
        if not kind["deprecated"]
        for place in kind["locations"]
        if place["available"]
    ]


def _told(place: Json) -> str:
    if place["price_monthly"] is None:
        return "preço desconhecido"
    return f"{Decimal(place['price_monthly']):.2f} {place['currency'] or ''}".strip()


def _fits(offer: Offer, types: list[Json], order: BuyServer) -> bool:
    """Would the daemon take this one? A type that is not named has its usual size, on x86."""
    kind = next(kind for kind in types if kind["name"] == offer.name)
    named = order.server_type is not None
    cores, memory = (0, 0) if named else (CORES, MEMORY_GB)
    return (
        order.server_type in (None, offer.name)
        and order.region in (None, offer.region)
        and kind["cores"] >= (order.cpu or cores)
        and kind["memory_gb"] >= (order.ram or memory)
        and (named or kind["architecture"] == "x86")
    )
