"""The choice of a machine from what a provider sells now: type, region and image. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from livchat.errors import InvalidRequest, LivChatError, SoldOut
from livchat.wire.providers import Image, ServerType, TypeLocation
from livchatd.providers.offer import Offer

DEFAULT_CORES = 2
DEFAULT_MEMORY_GB = 4
MAX_ALTERNATIVES = 5
"""How many alternatives a refusal names."""

_HINT = "livchat provider types"


@dataclass(frozen=True)
class Requirements:
    """What a machine must be; what is None is left to choose. `ram` is in GB."""

    server_type: str | None = None
    region: str | None = None
    cpu: int | None = None
    ram: float | None = None

    def with_alternative(self, server_type: str | None, region: str | None) -> Requirements:
        """Return the requirements with another type, region or both.

        Another type has the size that it has: cores and memory are not required of it.
        """
        sizes = self if server_type is None else replace(self, cpu=None, ram=None)
        return replace(
            sizes, server_type=server_type or self.server_type, region=region or self.region
        )


@dataclass(frozen=True)
class Selection:
    """The offer that was chosen; what to buy if it is refused, in order; what is sold out.

    `sold_out` are those that were asked for before the chosen one.
    """

    chosen: Offer
    fallback: tuple[Offer, ...] = ()
    sold_out: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A server type at one of its locations."""

    server_type: ServerType
    location: TypeLocation

    def offer(self, image: str) -> Offer:
        """Return the offer of this type at this location with an image."""
        return Offer(
            server_type=self.server_type.name,
            region=self.location.name,
            image=image,
            price_monthly=self.location.price_monthly,
            price_hourly=self.location.price_hourly,
            currency=self.location.currency,
        )

    @property
    def rank(self) -> tuple[bool, Decimal, float, int, str, str]:
        """Cheapest first; at one price the larger one; then by name, so that it is always one."""
        price = self.location.price_monthly
        return (
            price is None,
            Decimal(price or 0),
            -self.server_type.memory_gb,
            -self.server_type.cores,
            self.server_type.name,
            self.location.name,
        )


def select_offers(
    types: list[ServerType],
    images: list[Image],
    requirements: Requirements,
    alternatives: Sequence[Requirements] = (),
    image: str | None = None,
) -> Selection:
    """Return the first of the requirements that can be had now, and the alternatives after it.

    `image` is the name of one; None: the newest Debian. Raises `InvalidRequest` for what never can
    be had, and `SoldOut` if none can be had now: it is about the first, and names what there is.
    """
    chosen, sold_out = _choose_each(types, requirements, alternatives)

    def offer(candidate: Candidate) -> Offer:
        return candidate.offer(choose_image(images, image, candidate.server_type.architecture))

    first, *others = map(offer, chosen)
    return Selection(first, tuple(others), tuple(map(offer, sold_out)))


def choose(
    types: list[ServerType], requirements: Requirements, architecture: str = "x86"
) -> Candidate:
    """Return the cheapest that fits and can be had now.

    Without a type it is one of `architecture` that is not deprecated, with at least the cores and
    memory required (2 and 4 GB if none are). Raises `InvalidRequest` for a type or region that
    there is not, or for more than any type has; `SoldOut` for what there is but not now, not there.
    Both name what can be had instead.
    """
    region = requirements.region
    _check_region(types, region)
    if requirements.server_type is not None:
        return _choose_named(types, requirements.server_type, requirements)
    cores = requirements.cpu or DEFAULT_CORES
    memory = requirements.ram or DEFAULT_MEMORY_GB
    fitting = _fitting(types, cores, memory, architecture)
    available = _available(fitting, region)
    if available:
        return available[0]
    size = f"{cores} cores and {memory:g} GB ({architecture})"
    if not fitting:
        others = _available([kind for kind in types if not kind.deprecated], region)
        raise _refusal(InvalidRequest, "server_type", f"none has {size}", others[::-1])
    where = f" at {region}" if region else ""
    raise _refusal(SoldOut, "region", f"nothing with {size} can be had{where}", _available(fitting))


def all_refused(types: list[ServerType], tried: Sequence[Offer], reason: str) -> LivChatError:
    """Return `SoldOut` for offers whose orders were refused; it names what there is instead.

    The list of types may be older than the refusals: what was tried is not named again.
    """
    first = tried[0]
    kind = next((kind for kind in types if kind.name == first.server_type), None)
    there = (
        _alternatives(types, kind, first.region)
        if kind
        else _available(_fitting(types, 0, 0, None))
    )
    refused = {(offer.server_type, offer.region) for offer in tried}
    left = [one for one in there if (one.server_type.name, one.location.name) not in refused]
    return _refusal(SoldOut, "server_type", reason, left)


def choose_image(images: list[Image], name: str | None, architecture: str) -> str:
    """Return the name of an image for this architecture: the one named, or the newest Debian.

    Raises `InvalidRequest`, which lists what there is.
    """
    usable = [image for image in images if image.architecture == architecture]
    if name is not None:
        if any(image.name == name for image in usable):
            return name
        raise _no_image(f"there is no image {name} for {architecture}", usable)
    debians = [image for image in usable if image.os_flavor == "debian" and not image.deprecated]
    if not debians:
        raise _no_image(f"there is no Debian for {architecture}: name an image", usable)
    return max(debians, key=lambda image: (_version(image), image.name)).name


def _choose_each(
    types: list[ServerType], requirements: Requirements, alternatives: Sequence[Requirements]
) -> tuple[list[Candidate], list[Candidate]]:
    """Return what can be had, at least one, and what is sold out before the first of it."""
    chosen: list[Candidate] = []
    sold_out: list[Candidate] = []
    refusal: SoldOut | None = None
    for number, one in enumerate((requirements, *alternatives)):
        try:
            found = _choose_near(types, one, near=chosen[0].location.name if chosen else None)
        except SoldOut as error:
            refusal = refusal or error
            listed = _cheapest_listed(types, one)
            if not chosen and listed is not None:
                sold_out.append(listed)
        except InvalidRequest as error:
            raise error if number == 0 else _about_fallback(error) from error
        else:
            if found not in chosen:
                chosen.append(found)
    if not chosen:
        raise refusal or SoldOut("nothing can be had now")
    return chosen, sold_out


def _choose_near(
    types: list[ServerType], requirements: Requirements, near: str | None
) -> Candidate:
    """Choose; where no region is required, `near` comes before all others."""
    if requirements.region is None and near is not None:
        try:
            return choose(types, replace(requirements, region=near))
        except SoldOut:
            pass
    return choose(types, requirements)


def _cheapest_listed(types: list[ServerType], requirements: Requirements) -> Candidate | None:
    """Return what `choose` would return if all could be had; None if there is no such one."""
    cores = requirements.cpu or DEFAULT_CORES
    memory = requirements.ram or DEFAULT_MEMORY_GB
    fitting = (
        [kind for kind in types if kind.name == requirements.server_type]
        if requirements.server_type
        else _fitting(types, cores, memory, "x86")
    )
    return next(iter(_candidates(fitting, requirements.region)), None)


def _choose_named(types: list[ServerType], name: str, requirements: Requirements) -> Candidate:
    """Choose the location of a type that was asked for by its name."""
    region, cpu, ram = requirements.region, requirements.cpu, requirements.ram
    kind = next((kind for kind in types if kind.name == name), None)
    if kind is None:
        fitting = _fitting(types, cpu or DEFAULT_CORES, ram or DEFAULT_MEMORY_GB, None)
        reason = f"there is no type {name}"
        raise _refusal(InvalidRequest, "server_type", reason, _available(fitting, region))
    if kind.cores < (cpu or 0) or kind.memory_gb < (ram or 0):
        fitting = _fitting(types, cpu or 0, ram or 0, kind.architecture)
        reason = f"{name} has only {kind.cores} cores and {kind.memory_gb:g} GB"
        raise _refusal(InvalidRequest, "server_type", reason, _available(fitting, region))
    available = _available([kind], region)
    if available:
        return available[0]
    others = _alternatives(types, kind, region)
    if kind.deprecated:
        raise _refusal(InvalidRequest, "server_type", f"{name} is retired", others)
    where = f" at {region}" if region else ""
    raise _refusal(SoldOut, "server_type", f"{name} cannot be had{where} now", others)


def _alternatives(types: list[ServerType], kind: ServerType, region: str | None) -> list[Candidate]:
    """Return the same type elsewhere, then what is as large: there first, then anywhere."""
    alike = _fitting(types, kind.cores, kind.memory_gb, kind.architecture)
    found = [*_available([kind]), *_available(alike, region), *_available(alike)]
    return list({(one.server_type.name, one.location.name): one for one in found}.values())


def _fitting(
    types: list[ServerType], cores: int, memory_gb: float, architecture: str | None
) -> list[ServerType]:
    return [
        kind
        for kind in types
        if not kind.deprecated
        and kind.cores >= cores
        and kind.memory_gb >= memory_gb
        and architecture in {None, kind.architecture}
    ]


def _available(types: list[ServerType], region: str | None = None) -> list[Candidate]:
    """Return what can be had of these types, the cheapest first."""
    return [one for one in _candidates(types, region) if one.location.available]


def _candidates(types: list[ServerType], region: str | None) -> list[Candidate]:
    """Return these types at all their locations, or at one, the cheapest first."""
    found = [
        Candidate(kind, location)
        for kind in types
        for location in kind.locations
        if region in {None, location.name}
    ]
    return sorted(found, key=lambda one: one.rank)


def _check_region(types: list[ServerType], region: str | None) -> None:
    regions = sorted({location.name for kind in types for location in kind.locations})
    if region is not None and region not in regions:
        raise InvalidRequest.field(
            "region",
            f"there is no location {region}; there are {', '.join(regions) or 'none'}",
            hint="livchat provider locations",
        )


def _refusal(
    error: type[InvalidRequest | SoldOut],
    field: str,
    reason: str,
    alternatives: Sequence[Candidate],
) -> LivChatError:
    offers = [one.offer("") for one in alternatives]
    names = "; ".join(_grouped(offers)[:MAX_ALTERNATIVES]) or "nothing"
    message = f"{reason}; to be had: {names}"
    fields = {"server_type", "region", "price_monthly", "currency"}
    details: dict[str, Any] = {
        "fields": [{"field": field, "message": message}],
        "alternatives": [offer.model_dump(include=fields) for offer in offers[:MAX_ALTERNATIVES]],
    }
    return error(message, hint=_HINT, details=details)


def _grouped(offers: Sequence[Offer]) -> list[str]:
    """Return offers as a person reads them: the regions of a type at one price together."""
    groups: dict[Offer, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(offer.model_copy(update={"region": ""}), []).append(offer)
    return [
        str(group[0].model_copy(update={"region": ", ".join(one.region for one in group)}))
        for group in groups.values()
    ]


def _about_fallback(error: InvalidRequest) -> InvalidRequest:
    """Return the same refusal, about the request's field `fallback`."""
    fields = [{"field": "fallback", "message": error.message}]
    return InvalidRequest(
        error.message, hint=error.hint, details={**error.details, "fields": fields}
    )


def _no_image(reason: str, usable: list[Image]) -> InvalidRequest:
    names = sorted({image.name for image in usable if not image.deprecated})
    return InvalidRequest.field(
        "image",
        f"{reason}; there are {', '.join(names) or 'none'}",
        hint="livchat provider images",
    )


def _version(image: Image) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", image.os_version or image.name))
