"""The names of the vault's entries: they are on disk, so they stay as they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livchatd.storage import vault_keys

LAYOUT = {
    vault_keys.provider_token("hetzner"): "provider/hetzner",
    vault_keys.CLOUDFLARE_TOKEN: "cloudflare/api_token",
    vault_keys.CLOUDFLARE_EMAIL: "cloudflare/email",
    vault_keys.CLOUDFLARE_GLOBAL_KEY: "cloudflare/api_key",
    vault_keys.certificate_token("example.com"): "certificates/example.com",
    vault_keys.ssh_client_key("prod"): "ssh/prod/private",
    vault_keys.ssh_host_key("prod"): "ssh/prod/host",
    vault_keys.portainer_password("prod"): "portainer/prod",
    vault_keys.app_secret("prod", "n8n", "owner_password"): "app/prod/n8n/owner_password",
    vault_keys.app_value("prod", "n8n", "smtp_password"): "app/prod/n8n/param/smtp_password",
}

NAMES = st.text("abcxyz0189-_", min_size=1, max_size=12)


def test_each_secret_has_the_name_that_it_always_had() -> None:
    assert list(LAYOUT) == list(LAYOUT.values())


def test_what_belongs_to_a_server_or_an_app_begins_alike() -> None:
    assert vault_keys.ssh_client_key("prod").startswith(vault_keys.ssh_prefix("prod"))
    assert vault_keys.app_value("prod", "n8n", "x").startswith(vault_keys.app_prefix("prod", "n8n"))
    assert vault_keys.app_prefix("prod", "n8n").startswith(vault_keys.app_prefix("prod"))
    assert not vault_keys.app_value("prod-2", "n8n", "x").startswith(vault_keys.app_prefix("prod"))


@given(NAMES, NAMES, NAMES)
def test_a_given_value_is_told_from_a_generated_secret(server: str, app: str, name: str) -> None:
    given_value = vault_keys.app_value(server, app, name)
    assert vault_keys.parse_app_value(server, given_value) == (app, name)
    assert vault_keys.parse_app_value(f"{server}x", given_value) is None
    assert vault_keys.parse_app_value(server, vault_keys.app_secret(server, app, name)) is None
    assert vault_keys.parse_app_value(server, vault_keys.ssh_client_key(server)) is None
