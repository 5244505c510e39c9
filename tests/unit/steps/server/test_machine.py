"""What a machine gets at its first boot, and the keys that come with it."""

from __future__ import annotations

import json

from livchatd.access import new_key, public_line
from livchatd.steps.server.machine import user_data
from livchatd.storage.inventory import fingerprint


def test_a_machine_gets_its_host_key_and_no_private_key_of_ours() -> None:
    host, client = new_key(), new_key()
    text = user_data("prod-01", host, public_line(host), public_line(client))
    first, rest = text.split("\n", 1)
    config = json.loads(rest)
    assert first == "#cloud-config"
    assert config["ssh_keys"]["ed25519_private"] == host
    assert config["ssh_authorized_keys"] == [public_line(client)]
    assert client not in text
    assert len(text.encode()) < 32 * 1024


def test_a_fingerprint_is_the_one_that_people_compare() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBhErLJCgAGjPTmxwwWPqiCIeGX2X8aGdAZvIfHMvZVP"
    shown = fingerprint(key)
    assert shown.startswith("SHA256:")
    assert len(shown) == len("SHA256:") + 43
