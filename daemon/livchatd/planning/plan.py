"""What an order comes to: choices made, hosts, apps in order of need, records, price and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from livchat.errors import Conflict, Forbidden, Invalid, NotFound, ProviderError, Unauthorized
from livchat.wire.apps import AppStatus
from livchat.wire.servers import CreateServer, Domain, ServerStatus
from livchat.wire.up import Plan, PricedType
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.dependencies import provider as provider_of
from livchatd.catalog.dependencies import resolve
from livchatd.catalog.params import answers, secret_params
from livchatd.catalog.render import hosts_for
from livchatd.credentials.certificates import Proof
from livchatd.integrations.cloudflare import Dns
from livchatd.jobs.step import Step
from livchatd.providers.base import Provider
from livchatd.providers.choose import Choice, choose_image
from livchatd.providers.fallback import Wish, choose_first
from livchatd.steps.apps.stack_inputs import PREPARED
from livchatd.steps.params import (
    AppOrder,
    CreateServerOrder,
    Offer,
    Order,
    SetupServerOrder,
    UpOrder,
)
from livchatd.storage.inventory import AppRecord, ServerRecord

Scalar = str | int | float | bool
OWN = "own"


async def bargain(provider: Provider, want: CreateServer) -> CreateServerOrder:
    """Choose from what the provider has now; `Invalid` or `SoldOut` names what there is instead."""
    if provider.name == OWN:
        raise Invalid.field(
            "provider",
            "a machine of your own is added, not created",
            hint=f"livchat server add {want.name} --host ADDRESS",
        )
    try:
        types, images = await asyncio.gather(provider.server_types(), provider.images())
    except (Unauthorized, Forbidden) as error:
        raise refused(provider.name, error) from error
    wish = Wish(want.server_type, want.region, want.cpu, want.ram)
    fallback = [wish.instead(other.server_type, other.region) for other in want.fallback]
    found = choose_first(types, wish, fallback)

    def offer(choice: Choice) -> Offer:
        return Offer(
            server_type=choice.server_type,
            region=choice.region,
            image=choose_image(images, want.image, choice.architecture),
            price_monthly=choice.price_monthly,
            price_hourly=choice.price_hourly,
            currency=choice.currency,
        )

    return CreateServerOrder(
        name=want.name,
        provider=provider.name,
        sold_out=[offer(choice) for choice in found.sold_out],
        fallback=[offer(choice) for choice in found.after],
        **offer(found.taken).model_dump(),
    )


def hold_to(plan_hash: str | None, order: Order) -> None:
    """`Conflict` unless the order is the one whose plan was agreed to; None agrees to any."""
    if plan_hash is None or plan_hash == hash_of(order):
        return
    server = order.server if isinstance(order, UpOrder) else order
    raise Conflict(
        f"what was agreed to is not what there is now: {server}",
        hint="look at the plan again with --plan, then agree to it",
        details={"plan_hash": hash_of(order), "order": order.model_dump(mode="json")},
    )


def hash_of(order: Order) -> str:
    """What tells one plan from another: all that would be done, and what it costs."""
    canonical = json.dumps(order.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def refused(name: str, error: Exception) -> ProviderError:
    """A provider refuses the token that is kept: not the caller's fault, so no 401."""
    return ProviderError(
        f"{name} refuses the token that is kept for it: {error}",
        hint=f"livchat config provider {name}",
    )


def reserved(order: CreateServerOrder, created_at: str) -> ServerRecord:
    """The record that takes a server's name."""
    return ServerRecord(**order.model_dump(), status=ServerStatus.CREATING, created_at=created_at)


def as_it_is(record: ServerRecord) -> CreateServerOrder:
    """The order that a server came from: nothing of it is chosen again."""
    return CreateServerOrder(
        name=record.name,
        provider=record.provider,
        server_type=record.server_type or "",
        region=record.region or "",
        image=record.image or "",
        price_monthly=record.price_monthly,
        currency=record.currency,
    )


async def check_zone(dns: Dns, name: str) -> None:
    """`Invalid` unless the zone is there and active."""
    try:
        zone = await dns.zone(name)
    except NotFound as error:
        raise Invalid.field("zone_name", error.message, hint=error.hint) from error
    except (Unauthorized, Forbidden) as error:
        raise ProviderError(
            f"Cloudflare refuses the credentials that are kept for it: {error}",
            hint="livchat config cloudflare",
        ) from error
    if zone.status != "active":
        raise Invalid.field(
            "zone_name",
            f"{name} is {zone.status} at Cloudflare: its name servers do not point there yet",
            hint="set the name servers that Cloudflare shows at your registrar, then try again",
        )


def agree(record: ServerRecord, domain: Domain, apps: Sequence[str]) -> None:
    """`Conflict` if the server serves another domain already, with these apps on it."""
    asked = ".".join(part for part in (domain.subdomain, domain.zone_name) if part)
    if record.setup_at is None or record.domain == asked or not apps:
        return
    raise Conflict(
        f"'{record.name}' is set up for {record.domain}, where {', '.join(apps)} lives",
        hint=f"livchat server show {record.name}",
        details={"server": record.name, "domain": record.domain, "apps": list(apps)},
    )


@dataclass(frozen=True)
class Household:
    """A server as apps see it: its domain, who is told, and the apps that are there.

    `kept` are the secret answers that the vault has, by app and question.
    """

    zone_name: str
    subdomain: str | None
    ssl_email: str
    timezone: str
    installed: Mapping[str, AppRecord]
    kept: Mapping[str, Mapping[str, str]]

    @property
    def known(self) -> dict[str, str]:
        """What answers an app's question where nobody did."""
        domain = ".".join(part for part in (self.subdomain, self.zone_name) if part)
        return {"email": self.ssl_email, "timezone": self.timezone, "domain": domain}


@dataclass(frozen=True)
class Apps:
    """Apps to be deployed, what they need first; and the secrets among the answers, by app."""

    orders: list[AppOrder]
    secrets: dict[str, dict[str, str]]


def app_orders(
    catalog: Catalog,
    wanted: list[str],
    config: Mapping[str, Mapping[str, Scalar]],
    house: Household,
) -> Apps:
    """The apps to deploy, what they need first. Answers given before stay. May be `Invalid`.

    A secret answer is in no order: orders are shown.
    """
    strange = sorted(set(config) - set(wanted))
    if strange:
        raise Invalid.field("config", f"{strange[0]} is not among the apps that are asked for")
    # One that failed, or is going, is nothing to build on: it is deployed anew.
    installed = [name for name, app in house.installed.items() if app.status is AppStatus.RUNNING]
    names = resolve(catalog, wanted, installed)
    _must_be_possible([catalog.app(name) for name in names])
    orders = []
    secrets: dict[str, dict[str, str]] = {}
    for name in names:
        app = catalog.app(name)
        before = house.installed.get(name)
        said = {**(before.config if before else {}), **config.get(name, {})}
        answers(app.spec, {**house.kept.get(name, {}), **said}, house.known)
        hidden = secret_params(app.spec) & said.keys()
        if hidden:
            secrets[name] = {key: _text(said[key]) for key in sorted(hidden)}
        orders.append(
            AppOrder(
                app_name=name,
                title=app.title,
                config={key: value for key, value in said.items() if key not in hidden},
                hosts=hosts_for(app, house.subdomain, house.zone_name),
                needs=[provider_of(catalog, need, [*installed, *names]).id for need in app.needs],
            )
        )
    return Apps(orders, secrets)


def _must_be_possible(apps: Sequence[App]) -> None:
    """`Invalid` for an app that needs what nobody prepares for it yet."""
    for app in apps:
        for use in app.spec.uses.values():
            if use.capability not in PREPARED:
                raise Invalid.field(
                    "apps",
                    f"{app.title} needs {use.capability}, which cannot be prepared for it yet",
                    hint="livchat app catalog",
                )


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def open_ports(wanted: Sequence[str] | None, record: ServerRecord | None) -> list[str]:
    """The ports to keep open: those asked for, else those that the last set-up kept open."""
    if wanted is None:
        return list(record.open_ports) if record else []
    return sorted(set(wanted))


def up_order(
    server: CreateServerOrder,
    house: Household,
    apps: list[AppOrder],
    ports: list[str],
    proof: Proof,
) -> UpOrder:
    """Server, set-up and apps as one order."""
    setup = SetupServerOrder(
        name=server.name,
        provider=server.provider,
        zone_name=house.zone_name,
        subdomain=house.subdomain,
        ssl_email=house.ssl_email,
        timezone=house.timezone,
        open_ports=ports,
        challenge=proof.challenge,
        challenge_asked=proof.asked,
    )
    return UpOrder(server=server, setup=setup, apps=apps)


def plan(
    order: UpOrder | CreateServerOrder,
    steps: Sequence[Step[Any]],
    expected: Callable[[str, float], float],
    *,
    exists: bool,
) -> Plan:
    """What an order would do. `expected` gives the seconds of a step by key and its own guess."""
    machine, apps = (order.server, order.apps) if isinstance(order, UpOrder) else (order, [])
    hosts = {app.app_name: list(dict.fromkeys(app.hosts.values())) for app in apps}
    server = {
        "name": machine.name,
        "provider": machine.provider,
        **machine.model_dump(include={"server_type", "region", "image"}),
    }
    return Plan(
        hash=hash_of(order),
        server={**server, "exists": exists},
        apps=[app.app_name for app in apps],
        steps=[step.title for step in steps],
        records=[host for found in hosts.values() for host in found],
        urls={app: f"https://{found[0]}/" for app, found in hosts.items() if found},
        price_monthly=machine.price_monthly,
        price_hourly=machine.price_hourly,
        currency=machine.currency,
        sold_out=[_priced(offer) for offer in machine.sold_out],
        fallback=[_priced(offer) for offer in machine.fallback],
        estimated_seconds=round(_longest_way(steps, expected), 1),
    )


def _priced(offer: Offer) -> PricedType:
    return PricedType.model_validate(offer.model_dump())


def _longest_way(steps: Sequence[Step[Any]], expected: Callable[[str, float], float]) -> float:
    """Seconds until the last step ends, where all that can overlap overlaps."""
    ends: dict[str, float] = {}
    for step in steps:
        begins = max((ends.get(key, 0.0) for key in step.after), default=0.0)
        ends[step.key] = begins + expected(step.key, step.usually)
    return max(ends.values(), default=0.0)
