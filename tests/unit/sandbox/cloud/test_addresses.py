"""The addresses that the sandbox hands out."""

from __future__ import annotations

from livchat_sandbox.cloud import addresses


def test_an_address_comes_back_only_when_all_others_had_their_turn() -> None:
    first, turn = addresses.next_ipv4(0, in_use=())
    second, turn = addresses.next_ipv4(turn, in_use={first})
    assert (first, second) == ("198.18.0.1", "198.18.0.2")
    last, turn = addresses.next_ipv4(addresses.IPV4_RANGE.num_addresses - 3, in_use=())
    assert last == "198.19.255.254"
    assert addresses.next_ipv4(turn, in_use={first})[0] == second
