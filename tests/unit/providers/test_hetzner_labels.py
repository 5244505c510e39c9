"""How Hetzner's labels say whose something is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchatd.providers.base import Owner
from livchatd.providers.hetzner.client import label_selector, labels_of, read_owner

OURS = Owner("3f9a1c2b", "web", "job_1")
names = st.sampled_from(["a", "b", "c"])
owners = st.builds(Owner, st.none() | names, st.none() | names, st.none() | names)


@given(owners)
def test_an_owner_is_read_back_from_its_labels(owner: Owner) -> None:
    assert read_owner(labels_of(owner)) == owner
    assert read_owner({**labels_of(owner), "team": "shop"}) == owner


def test_the_labels_are_those_that_other_installations_read() -> None:
    assert labels_of(OURS) == {
        "livchat.managed": "true",
        "livchat.home": "3f9a1c2b",
        "livchat.server": "web",
        "livchat.job": "job_1",
    }


@pytest.mark.parametrize(
    "labels",
    [None, {}, {"livchat.server": "web"}, {**labels_of(OURS), "livchat.managed": "false"}],
)
def test_what_is_not_marked_is_nobodys(labels: dict[str, str] | None) -> None:
    assert read_owner(labels) is None


@given(st.lists(owners, min_size=1, max_size=6))
def test_the_selector_of_many_owners_leaves_none_of_them_out(wanted: list[Owner]) -> None:
    parts = [part.partition("==") for part in label_selector(wanted).split(",") if "==" in part]
    for owner in wanted:
        assert {key: value for key, _, value in parts}.items() <= labels_of(owner).items()
    assert label_selector(wanted).count(" in (") <= 1


def test_the_selector_of_one_owner_is_exact_and_that_of_many_names_their_servers() -> None:
    assert label_selector([OURS]) == (
        "livchat.home==3f9a1c2b,livchat.job==job_1,livchat.managed==true,livchat.server==web"
    )
    others = [Owner("3f9a1c2b", name) for name in ("a", "b")]
    assert label_selector([OURS, *others]) == (
        "livchat.home==3f9a1c2b,livchat.managed==true,livchat.server in (web,a,b)"
    )


@given(owners, owners)
def test_an_owner_covers_what_carries_all_its_labels(mine: Owner, theirs: Owner) -> None:
    assert mine.covers(theirs) == (labels_of(mine).items() <= labels_of(theirs).items())
    assert not mine.covers(None)
