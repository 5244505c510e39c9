"""What is taken where the first choice is sold out, and what would come after it."""

from __future__ import annotations

import pytest

from livchat.errors import InvalidRequest, SoldOut
from livchat.wire.providers import ServerType
from livchatd.providers.choose import Requirements, Selection, all_refused, select_offers
from livchatd.providers.offer import Offer
from tests.unit.providers.test_choose import image, kind, place

IMAGES = [image("debian-13", "13"), image("debian-12", "12", arm=True)]


def types(*sold_out: str) -> list[ServerType]:
    """Three types at two places, some of them sold out."""

    def at(name: str, where: str, price: str) -> object:
        return place(where, price, available=f"{name}@{where}" not in sold_out)

    sizes = (("cx23", 2, 4, "5", False), ("cpx22", 3, 4, "9", False), ("cax11", 2, 4, "4", True))
    return [
        kind(name, cores, memory, at(name, "fsn1", price), at(name, "nbg1", price), arm=arm)  # type: ignore[arg-type]
        for name, cores, memory, price, arm in sizes
    ]


def told(found: Selection) -> list[str]:
    return [f"{one.server_type}@{one.region}" for one in (found.chosen, *found.fallback)]


FIRST = Requirements("cx23", "nbg1")
OTHERS = [
    FIRST.with_alternative("cpx22", None),
    FIRST.with_alternative("cax11", "fsn1"),
    FIRST.with_alternative(None, "fsn1"),
]


def test_the_first_that_can_be_had_is_taken_and_the_rest_follows_in_order() -> None:
    found = select_offers(types(), IMAGES, FIRST, OTHERS)
    assert told(found) == ["cx23@nbg1", "cpx22@nbg1", "cax11@fsn1", "cx23@fsn1"]
    assert found.sold_out == ()


def test_what_is_sold_out_is_passed_over_and_told_with_its_price() -> None:
    found = select_offers(types("cx23@nbg1", "cpx22@nbg1"), IMAGES, FIRST, OTHERS)
    assert told(found) == ["cax11@fsn1", "cx23@fsn1"]
    assert [(one.server_type, one.price_monthly) for one in found.sold_out] == [
        ("cx23", "5"),
        ("cpx22", "9"),
    ]


def test_without_a_fallback_nothing_else_is_taken() -> None:
    with pytest.raises(SoldOut, match="cx23 cannot be had at nbg1 now; to be had: cx23 at fsn1"):
        select_offers(types("cx23@nbg1"), IMAGES, FIRST)


def test_where_all_is_sold_out_the_refusal_is_about_the_first() -> None:
    with pytest.raises(SoldOut, match="cx23 cannot be had at nbg1 now"):
        select_offers(types("cx23@nbg1", "cpx22@nbg1"), IMAGES, FIRST, OTHERS[:1])


def test_a_fallback_without_a_place_stays_near_the_first_choice() -> None:
    anywhere = Requirements("cx23", None)
    near = select_offers(
        types("cx23@fsn1"), IMAGES, anywhere, [anywhere.with_alternative("cpx22", None)]
    )
    assert told(near) == ["cx23@nbg1", "cpx22@nbg1"]
    far = select_offers(
        types("cpx22@fsn1"), IMAGES, anywhere, [anywhere.with_alternative("cpx22", None)]
    )
    assert told(far) == ["cx23@fsn1", "cpx22@nbg1"]


def test_sizes_are_asked_of_a_place_and_not_of_another_type() -> None:
    wish = Requirements(None, "nbg1", cpu=3)
    assert wish.with_alternative(None, "fsn1") == Requirements(None, "fsn1", cpu=3)
    assert wish.with_alternative("cax11", None) == Requirements("cax11", "nbg1")
    found = select_offers(types("cpx22@nbg1"), IMAGES, wish, [wish.with_alternative("cax11", None)])
    assert told(found) == ["cax11@nbg1"]
    assert [one.server_type for one in found.sold_out] == ["cpx22"]


def test_each_offer_has_an_image_for_its_architecture() -> None:
    found = select_offers(types("cpx22@nbg1"), IMAGES, OTHERS[0], [OTHERS[1]])
    assert [one.image for one in (found.chosen, *found.sold_out)] == ["debian-12", "debian-13"]
    with pytest.raises(InvalidRequest, match="no image debian-13 for arm"):
        select_offers(types("cpx22@nbg1"), IMAGES, OTHERS[0], [OTHERS[1]], "debian-13")


def test_the_same_offer_is_not_tried_twice() -> None:
    found = select_offers(
        types(), IMAGES, FIRST, [FIRST.with_alternative("cx23", "nbg1"), *OTHERS[:1]]
    )
    assert told(found) == ["cx23@nbg1", "cpx22@nbg1"]


@pytest.mark.parametrize(("server_type", "region"), [("cx9", None), (None, "mars")])
def test_a_fallback_that_there_never_is_is_refused_though_it_is_not_needed(
    server_type: str | None, region: str | None
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        select_offers(types(), IMAGES, FIRST, [FIRST.with_alternative(server_type, region)])
    assert [field["field"] for field in caught.value.details["fields"]] == ["fallback"]


def test_a_refused_order_names_what_was_not_tried() -> None:
    tried = [Offer(server_type=name, region="nbg1", image="") for name in ("cx23", "cpx22")]
    error = all_refused(types(), tried, "cx23 cannot be had")
    assert "to be had: cx23 at fsn1 (5.00 EUR a month); cpx22 at fsn1" in error.message
