"""Specifications of simulated machines, for tests that need one without a cloud."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from livchat_sandbox.machine.spec import MachineSpec

SMALL = MachineSpec(
    name="s1",
    ip="198.18.0.1",
    image="ubuntu-24.04",
    architecture="x86",
    cores=2,
    memory_gb=4.0,
    disk_gb=40,
    user_data="",
    authorized_keys=[],
)


def machine_spec(**changes: Any) -> MachineSpec:
    """A small machine with Ubuntu 24.04, but for these changes."""
    return replace(SMALL, **changes)
