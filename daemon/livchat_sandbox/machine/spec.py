"""What a simulated machine is made of, as its provider grants it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MachineSpec:
    """A machine to be booted.

    `image` and `architecture` (`x86`, `arm`) are the provider's words; memory and disk are in GB;
    `user_data` is what cloud-init is given, `authorized_keys` are root's public key lines.
    """

    name: str
    ip: str
    image: str
    architecture: str
    cores: int
    memory_gb: float
    disk_gb: int
    user_data: str
    authorized_keys: list[str]
