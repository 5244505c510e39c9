"""The first choice that can be had, and what follows it if its order is refused. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from livchat.errors import Invalid, SoldOut
from livchat.wire.providers import ServerType
from livchatd.providers.choose import Choice, choose, listed


@dataclass(frozen=True)
class Wish:
    """What is asked for; what is None is left to choose."""

    server_type: str | None = None
    region: str | None = None
    cpu: int | None = None
    ram: float | None = None

    def instead(self, server_type: str | None, region: str | None) -> Wish:
        """The wish with another type, place or both; another type is as large as it is."""
        sizes = self if server_type is None else replace(self, cpu=None, ram=None)
        return replace(
            sizes, server_type=server_type or self.server_type, region=region or self.region
        )


@dataclass(frozen=True)
class Found:
    """What is taken; what comes after it, in order; and what stood before it and is sold out."""

    taken: Choice
    after: tuple[Choice, ...] = ()
    sold_out: tuple[Choice, ...] = ()


def choose_first(types: list[ServerType], wish: Wish, fallback: Sequence[Wish] = ()) -> Found:
    """The first of the wishes that can be had now. `Invalid` for any that never can.

    `SoldOut` if none can: it is about the first, and names what there is instead.
    """
    offers: list[Choice] = []
    sold_out: list[Choice] = []
    refusal: SoldOut | None = None
    for number, one in enumerate((wish, *fallback)):
        try:
            found = _choose(types, one, near=offers[0].region if offers else None)
        except SoldOut as error:
            refusal = refusal or error
            gone = _listed(types, one)
            if not offers and gone is not None:
                sold_out.append(gone)
        except Invalid as error:
            raise error if number == 0 else _of_fallback(error) from error
        else:
            if found not in offers:
                offers.append(found)
    if not offers:
        raise refusal or SoldOut("nothing can be had now")
    return Found(offers[0], tuple(offers[1:]), tuple(sold_out))


def _choose(types: list[ServerType], wish: Wish, near: str | None) -> Choice:
    """The cheapest that fits; where no place is asked for, `near` before all others."""
    if wish.region is None and near is not None:
        here = replace(wish, region=near)
        try:
            return _choose(types, here, None)
        except SoldOut:
            pass
    return choose(
        types, server_type=wish.server_type, region=wish.region, cpu=wish.cpu, ram=wish.ram
    )


def _listed(types: list[ServerType], wish: Wish) -> Choice | None:
    return listed(
        types, server_type=wish.server_type, region=wish.region, cpu=wish.cpu, ram=wish.ram
    )


def _of_fallback(error: Invalid) -> Invalid:
    """The same refusal, told of the field that it came from."""
    fields = [{"field": "fallback", "message": error.message}]
    return Invalid(error.message, hint=error.hint, details={**error.details, "fields": fields})
