"""What a machine is told at its first boot: its host key, its name and the key we come with."""

from __future__ import annotations

import json


def user_data(name: str, host_private: str, host_public: str, client_public: str) -> str:
    """The cloud-config of a machine, in JSON, which YAML reads.

    The host key comes with it so that the machine is known from the first connection.
    """
    told = {
        "hostname": name,
        "preserve_hostname": False,
        "timezone": "UTC",
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": ["ed25519"],
        "ssh_keys": {"ed25519_private": host_private, "ed25519_public": host_public},
        "ssh_authorized_keys": [client_public],
        "package_update": False,
        "package_upgrade": False,
    }
    return "#cloud-config\n" + json.dumps(told, indent=1) + "\n"
