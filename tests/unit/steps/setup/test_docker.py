"""The units that pull images."""

from __future__ import annotations

from livchatd.steps.setup.docker import unit_part


def test_the_name_of_a_unit_holds_nothing_that_an_image_may_bring() -> None:
    assert unit_part("ghcr.io/a_b/c:1.2@sha256:f") == "ghcr.io-a-b-c-1.2-sha256-f"
