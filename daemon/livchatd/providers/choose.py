"""Which server type, where, and which image: chosen from what can be had now. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from livchat.errors import Invalid, LivChatError, SoldOut
from livchat.wire.providers import Image, ServerType, TypeLocation

CORES = 2
MEMORY_GB = 4
ALTERNATIVES = 5
"""How many alternatives a refusal names."""

_HINT = "livchat provider types"


@dataclass(frozen=True)
class Choice:
    """A type at a location and its gross price, as decimal text, with an IPv4 address."""

    server_type: str
    region: str
    price_monthly: str | None
    price_hourly: str | None
    currency: str | None
    architecture: str = "x86"

    def __str__(self) -> str:
        """As a person reads it."""
        if self.price_monthly is None:
            return f"{self.server_type} at {self.region}"
        price = f"{Decimal(self.price_monthly):.2f} {self.currency or ''}".rstrip()
        return f"{self.server_type} at {self.region} ({price} a month)"


@dataclass(frozen=True)
class _Offer:
    kind: ServerType
    place: TypeLocation

    @property
    def choice(self) -> Choice:
        return Choice(
            server_type=self.kind.name,
            region=self.place.name,
            price_monthly=self.place.price_monthly,
            price_hourly=self.place.price_hourly,
            currency=self.place.currency,
            architecture=self.kind.architecture,
        )

    @property
    def rank(self) -> tuple[bool, Decimal, float, int, str, str]:
        """Cheapest first; at one price the larger one; then by name, so that it is always one."""
        price = self.place.price_monthly
        return (
            price is None,
            Decimal(price or 0),
            -self.kind.memory_gb,
            -self.kind.cores,
            self.kind.name,
            self.place.name,
        )


def choose(
    types: list[ServerType],
    *,
    server_type: str | None = None,
    region: str | None = None,
    cpu: int | None = None,
    ram: float | None = None,
    architecture: str = "x86",
) -> Choice:
    """The cheapest offer that fits. `ram` is in GB.

    Without a type: of `architecture`, not deprecated, with at least `cpu` cores and `ram` memory (2
    and 4 if not given). `Invalid` for a type or region that there is not, or for more than any type
    has; `SoldOut` for what there is but not now, not there. Both name what can be had instead.
    """
    _check_region(types, region)
    if server_type is not None:
        return _named(types, server_type, region, cpu, ram)
    fitting = _fitting(types, cpu or CORES, ram or MEMORY_GB, architecture)
    offers = _available(fitting, region)
    if offers:
        return offers[0].choice
    wanted = f"{cpu or CORES} cores and {ram or MEMORY_GB:g} GB ({architecture})"
    if not fitting:
        others = _available([kind for kind in types if not kind.deprecated], region)
        raise _refusal(Invalid, "server_type", f"none has {wanted}", list(reversed(others)))
    where = f" at {region}" if region else ""
    raise _refusal(
        SoldOut, "region", f"nothing with {wanted} can be had{where}", _available(fitting)
    )


def listed(
    types: list[ServerType],
    *,
    server_type: str | None = None,
    region: str | None = None,
    cpu: int | None = None,
    ram: float | None = None,
) -> Choice | None:
    """The offer that `choose` would take if all were there; None if there is no such one at all."""
    fitting = _fitting(types, cpu or CORES, ram or MEMORY_GB, "x86")
    named = [kind for kind in types if kind.name == server_type]
    offers = _offers(named if server_type else fitting, region)
    return offers[0].choice if offers else None


def refused(types: list[ServerType], tried: Sequence[tuple[str, str]], reason: str) -> LivChatError:
    """`SoldOut` for orders that were refused, by type and place; names what there is instead.

    The list may be older than the refusals: what was tried is not named again.
    """
    first, region = tried[0]
    kind = next((kind for kind in types if kind.name == first), None)
    offers = _instead(types, kind, region) if kind else _available(_fitting(types, 0, 0, None))
    left = [offer for offer in offers if (offer.kind.name, offer.place.name) not in tried]
    return _refusal(SoldOut, "server_type", reason, left)


def choose_image(images: list[Image], wanted: str | None, architecture: str) -> str:
    """The name of the image wanted, if there is one for that architecture; else the newest Debian.

    `Invalid` lists what there is.
    """
    usable = [image for image in images if image.architecture == architecture]
    if wanted is not None:
        for image in usable:
            if image.name == wanted:
                return image.name
        raise _no_image(f"there is no image {wanted} for {architecture}", usable)
    debians = [image for image in usable if image.os_flavor == "debian" and not image.deprecated]
    if not debians:
        raise _no_image(f"there is no Debian for {architecture}: name an image", usable)
    return max(debians, key=lambda image: (_version(image), image.name)).name


def _named(
    types: list[ServerType],
    name: str,
    region: str | None,
    cpu: int | None,
    ram: float | None,
) -> Choice:
    """The offer of a type that was asked for by its name."""
    kind = next((kind for kind in types if kind.name == name), None)
    if kind is None:
        instead = _available(_fitting(types, cpu or CORES, ram or MEMORY_GB, None), region)
        raise _refusal(Invalid, "server_type", f"there is no type {name}", instead)
    if kind.cores < (cpu or 0) or kind.memory_gb < (ram or 0):
        instead = _available(_fitting(types, cpu or 0, ram or 0, kind.architecture), region)
        size = f"{kind.cores} cores and {kind.memory_gb:g} GB"
        raise _refusal(Invalid, "server_type", f"{name} has only {size}", instead)
    offers = _available([kind], region)
    if offers:
        return offers[0].choice
    instead = _instead(types, kind, region)
    if kind.deprecated:
        raise _refusal(Invalid, "server_type", f"{name} is retired", instead)
    where = f" at {region}" if region else ""
    raise _refusal(SoldOut, "server_type", f"{name} cannot be had{where} now", instead)


def _instead(types: list[ServerType], kind: ServerType, region: str | None) -> list[_Offer]:
    """The same type elsewhere, then what is as large: there first, then anywhere."""
    alike = _fitting(types, kind.cores, kind.memory_gb, kind.architecture)
    listed = [*_available([kind]), *_available(alike, region), *_available(alike)]
    return list({(offer.kind.name, offer.place.name): offer for offer in listed}.values())


def _fitting(
    types: list[ServerType], cpu: int, ram: float, architecture: str | None
) -> list[ServerType]:
    return [
        kind
        for kind in types
        if not kind.deprecated
        and kind.cores >= cpu
        and kind.memory_gb >= ram
        and architecture in {None, kind.architecture}
    ]


def _available(types: list[ServerType], region: str | None = None) -> list[_Offer]:
    """What can be had of these types, the cheapest first."""
    return [offer for offer in _offers(types, region) if offer.place.available]


def _offers(types: list[ServerType], region: str | None) -> list[_Offer]:
    """All places of these types, the cheapest first."""
    offers = [
        _Offer(kind, place)
        for kind in types
        for place in kind.locations
        if region in {None, place.name}
    ]
    return sorted(offers, key=lambda offer: offer.rank)


def _check_region(types: list[ServerType], region: str | None) -> None:
    regions = sorted({place.name for kind in types for place in kind.locations})
    if region is not None and region not in regions:
        raise Invalid.field(
            "region",
            f"there is no location {region}; there are {', '.join(regions) or 'none'}",
            hint="livchat provider locations",
        )


def _refusal(
    error: type[Invalid | SoldOut], field: str, reason: str, instead: Sequence[_Offer]
) -> LivChatError:
    choices = [offer.choice for offer in instead[:ALTERNATIVES]]
    named = "; ".join(_grouped(instead)[:ALTERNATIVES]) or "nothing"
    message = f"{reason}; to be had: {named}"
    details: dict[str, Any] = {
        "fields": [{"field": field, "message": message}],
        "alternatives": [
            {
                "server_type": choice.server_type,
                "region": choice.region,
                "price_monthly": choice.price_monthly,
                "currency": choice.currency,
            }
            for choice in choices
        ],
    }
    return error(message, hint=_HINT, details=details)


def _grouped(offers: Sequence[_Offer]) -> list[str]:
    """Offers as a person reads them: the places of a type at one price together."""
    places: dict[Choice, list[str]] = {}
    for choice in (offer.choice for offer in offers):
        places.setdefault(replace(choice, region=""), []).append(choice.region)
    return [str(replace(choice, region=", ".join(at))) for choice, at in places.items()]


def _no_image(reason: str, usable: list[Image]) -> Invalid:
    names = sorted({image.name for image in usable if not image.deprecated})
    return Invalid.field(
        "image",
        f"{reason}; there are {', '.join(names) or 'none'}",
        hint="livchat provider images",
    )


def _version(image: Image) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", image.os_version or image.name))
