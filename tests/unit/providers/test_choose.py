"""Choosing a type, a place and an image from what can be had."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livchat.errors import InvalidRequest, LivChatError, SoldOut
from livchat.wire.providers import Image, ServerType, TypeLocation
from livchatd.providers.choose import (
    MAX_ALTERNATIVES,
    Candidate,
    Requirements,
    choose,
    choose_image,
)

# How long a busy machine takes is not what is tested.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

REGIONS = ["fsn1", "hel1", "nbg1"]


def place(name: str, price: str | None = "4.50", *, available: bool = True) -> TypeLocation:
    return TypeLocation(
        name=name,
        available=available,
        price_monthly=price,
        price_hourly=None,
        currency="EUR" if price else None,
    )


def kind(
    name: str,
    cores: int = 2,
    memory: float = 4,
    *places: TypeLocation,
    arm: bool = False,
    deprecated: bool = False,
) -> ServerType:
    return ServerType(
        name=name,
        cores=cores,
        memory_gb=memory,
        disk_gb=40,
        architecture="arm" if arm else "x86",
        locations=list(places) or [place("nbg1")],
        deprecated=deprecated,
    )


def image(
    name: str, version: str, *, flavor: str = "debian", arm: bool = False, deprecated: bool = False
) -> Image:
    return Image(
        name=name,
        description=name,
        os_flavor=flavor,
        os_version=version,
        architecture="arm" if arm else "x86",
        deprecated=deprecated,
    )


places = st.builds(
    place,
    st.sampled_from(REGIONS),
    st.none() | st.decimals(1, 100, places=2).map(str),
    available=st.booleans(),
)
kinds = st.builds(
    lambda name, cores, memory, places, arm, deprecated: kind(
        name, cores, memory, *{p.name: p for p in places}.values(), arm=arm, deprecated=deprecated
    ),
    st.from_regex(r"\Ac[axp]x[1-9]{2}\Z"),
    st.integers(1, 16),
    st.sampled_from([1.0, 2.0, 4.0, 8.0, 16.0]),
    st.lists(places, min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
catalogs = st.lists(kinds, max_size=8, unique_by=lambda found: found.name)
requirements = st.builds(
    Requirements,
    st.none(),
    st.none() | st.sampled_from(REGIONS),
    st.none() | st.integers(1, 16),
    st.none() | st.sampled_from([1, 4, 16]),
)
architectures = st.sampled_from(["x86", "arm"])


def offers(
    types: list[ServerType], required: Requirements, architecture: str
) -> list[tuple[ServerType, TypeLocation]]:
    """What fits, by the plain reading of the rule."""
    return [
        (found, at)
        for found in types
        for at in found.locations
        if at.available
        and not found.deprecated
        and found.architecture == architecture
        and found.cores >= (required.cpu or 2)
        and found.memory_gb >= (required.ram or 4)
        and required.region in {None, at.name}
    ]


@untimed
@given(catalogs, requirements, architectures)
def test_what_is_chosen_fits_and_nothing_that_fits_is_cheaper(
    types: list[ServerType], required: Requirements, architecture: str
) -> None:
    fitting = offers(types, required, architecture)
    try:
        chosen = choose(types, required, architecture)
    except (InvalidRequest, SoldOut):
        assert not fitting
        return
    assert (chosen.server_type, chosen.location) in fitting
    priced = [Decimal(at.price_monthly) for _, at in fitting if at.price_monthly]
    if priced:
        assert Decimal(chosen.location.price_monthly or 0) == min(priced)


@untimed
@given(catalogs, requirements, architectures)
def test_the_choice_does_not_depend_on_the_order_of_the_list(
    types: list[ServerType], required: Requirements, architecture: str
) -> None:
    def outcome(given: list[ServerType]) -> object:
        try:
            return choose(given, required, architecture)
        except LivChatError as error:
            return (type(error), error.message)

    assert outcome(types) == outcome(types[::-1])


@untimed
@given(catalogs, requirements, st.none() | st.from_regex(r"\Ac[axp]x[1-9]{2}\Z"), st.data())
def test_a_refusal_names_at_most_five_alternatives_that_can_be_had(
    types: list[ServerType], required: Requirements, name: str | None, data: st.DataObject
) -> None:
    known = data.draw(st.booleans())
    if types and known:
        name = data.draw(st.sampled_from([found.name for found in types]))
    error = refusal(types, replace(required, server_type=name))
    if error is None:
        return
    assert "\n" not in error.message
    named = error.details.get("alternatives", [])
    assert len(named) <= MAX_ALTERNATIVES
    there = {(f.name, at.name) for f in types for at in f.locations if at.available}
    assert {(a["server_type"], a["region"]) for a in named} <= there


def refusal(types: list[ServerType], required: Requirements) -> LivChatError | None:
    try:
        choose(types, required)
    except (InvalidRequest, SoldOut) as error:
        return error
    return None


def test_without_requirements_it_is_the_cheapest_x86_with_two_cores_and_four_gigabytes() -> None:
    types = [
        kind("tiny", 1, 2, place("nbg1", "1.00")),
        kind("arm", 2, 4, place("nbg1", "2.00"), arm=True),
        kind("old", 2, 4, place("nbg1", "2.50"), deprecated=True),
        kind("gone", 2, 4, place("nbg1", "3.00", available=False)),
        kind("right", 2, 4, place("nbg1", "4.50"), place("fsn1", "4.00")),
        kind("large", 4, 8, place("nbg1", "8.00")),
    ]
    chosen = choose(types, Requirements())
    assert chosen == Candidate(types[4], types[4].locations[1])
    assert str(chosen.offer("debian-13")) == "right at fsn1 (4.00 EUR a month)"


def test_a_type_that_there_is_not_is_invalid_and_others_are_named_with_their_prices() -> None:
    with pytest.raises(
        InvalidRequest, match=r"no type cx21; to be had: cx23 at nbg1 \(4\.50 EUR"
    ) as told:
        choose([kind("cx23")], Requirements(server_type="cx21"))
    assert told.value.details["fields"][0]["field"] == "server_type"
    assert told.value.hint == "livchat provider types"


def test_a_type_that_is_sold_out_there_names_where_it_can_be_had() -> None:
    types = [kind("cx23", 2, 4, place("nbg1", available=False), place("fsn1", "4.99"))]
    with pytest.raises(SoldOut, match="cx23 at fsn1") as told:
        choose(types, Requirements(server_type="cx23", region="nbg1"))
    assert told.value.details["alternatives"] == [
        {"server_type": "cx23", "region": "fsn1", "price_monthly": "4.99", "currency": "EUR"}
    ]


def test_a_retired_type_is_invalid_not_sold_out() -> None:
    types = [kind("cx22", 2, 4, place("nbg1", available=False), deprecated=True), kind("cx23")]
    with pytest.raises(InvalidRequest, match="cx22 is retired; to be had: cx23 at nbg1"):
        choose(types, Requirements(server_type="cx22"))


def test_a_deprecated_type_that_can_still_be_had_is_given_to_who_names_it() -> None:
    types = [kind("cx22", deprecated=True)]
    assert choose(types, Requirements(server_type="cx22")).server_type.name == "cx22"


def test_an_arm_type_is_given_to_who_names_it() -> None:
    types = [kind("cax11", arm=True)]
    assert choose(types, Requirements(server_type="cax11")).server_type.architecture == "arm"


def test_a_named_type_that_is_smaller_than_asked_is_invalid() -> None:
    types = [kind("cx23"), kind("cx33", 4, 8)]
    with pytest.raises(InvalidRequest, match="cx23 has only 2 cores and 4 GB; to be had: cx33"):
        choose(types, Requirements(server_type="cx23", cpu=4))


def test_more_than_any_type_has_is_invalid() -> None:
    with pytest.raises(
        InvalidRequest, match=r"none has 64 cores and 4 GB \(x86\); to be had: cx23"
    ):
        choose([kind("cx23")], Requirements(cpu=64))


def test_an_unknown_location_is_invalid_and_names_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match="no location atlantis; there are nbg1"):
        choose([kind("cx23")], Requirements(region="atlantis"))


def test_the_default_image_is_the_newest_debian_that_is_not_deprecated() -> None:
    images = [
        image("debian-9", "9"),
        image("debian-12", "12"),
        image("debian-13", "13", deprecated=True),
        image("debian-11", "11"),
        image("ubuntu-26.04", "26.04", flavor="ubuntu"),
        image("debian-14", "14", arm=True),
    ]
    assert choose_image(images, None, "x86") == "debian-12"
    assert choose_image(images, None, "arm") == "debian-14"
    assert choose_image(images, "debian-13", "x86") == "debian-13"


def test_an_unknown_image_is_invalid_and_lists_what_there_is() -> None:
    images = [image("debian-12", "12"), image("debian-14", "14", arm=True)]
    with pytest.raises(InvalidRequest, match=r"no image windows for x86; there are debian-12$"):
        choose_image(images, "windows", "x86")
    with pytest.raises(InvalidRequest, match="there are none"):
        choose_image([], None, "x86")
