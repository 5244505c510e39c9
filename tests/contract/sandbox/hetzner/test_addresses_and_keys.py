"""Hetzner's Primary IPs and SSH keys in the sandbox."""

from __future__ import annotations

from hcloud.servers.domain import ServerCreatePublicNetwork

from tests.contract.sandbox.hetzner.cloud import KEY, Cloud, made, order, refusal, reserve


def test_a_key_is_added_once_and_spares_the_password(cloud: Cloud) -> None:
    key = cloud.ssh_keys.create(name="laptop", public_key=KEY, labels={"a": "b"})
    assert key.fingerprint.count(":") == 15
    with refusal("uniqueness_error"):
        cloud.ssh_keys.create(name="other", public_key=KEY)
    assert cloud.ssh_keys.get_by_fingerprint(key.fingerprint).id == key.id
    assert order(cloud, ssh_keys=[key]).root_password is None
    assert order(cloud, "prod-02").root_password
    assert key.update(name="desktop").name == "desktop"
    assert key.delete()
    assert cloud.ssh_keys.get_all() == []
    with refusal("invalid_input"):
        cloud.ssh_keys.create(name="broken", public_key="ssh-ed25519 AAAA")


def test_an_address_moves_between_servers_that_are_off(cloud: Cloud) -> None:
    net = ServerCreatePublicNetwork(enable_ipv4=False, enable_ipv6=True)
    server = made(cloud, public_net=net, start_after_create=False)
    assert server.status == "off"
    address = reserve(cloud)
    address.assign(server.id, "server").wait_until_finished()
    assert cloud.servers.get_by_id(server.id).public_net.ipv4.ip == address.ip
    server.power_on().wait_until_finished()
    with refusal("server_not_stopped"):
        address.unassign()
    server.power_off().wait_until_finished()
    address.unassign().wait_until_finished()
    assert cloud.servers.get_by_id(server.id).public_net.ipv4 is None
