"""Traefik and Portainer: what routes meets what is routed, and nothing is open without need."""

from __future__ import annotations

import pytest
import yaml

from livchatd.catalog.base_stacks import portainer_stack, traefik_stack
from livchatd.catalog.catalog import Catalog
from livchatd.catalog.traefik_labels import EDGE_NETWORK


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.mark.parametrize("resolver", ["http", "dns"])
def test_traefik_stands_on_the_network_of_what_it_routes(catalog, resolver):
    rendered = traefik_stack(
        catalog, "a@b.co", "lab.example.com", resolver, cloudflare_token="t" * 40
    )
    stack = yaml.safe_load(rendered.compose)
    joined = stack["services"]["traefik"]["networks"]
    assert EDGE_NETWORK in {stack["networks"][name].get("name") for name in joined}
    assert "socket" in stack["services"]["socket-proxy"]["networks"]
    assert stack["networks"]["socket"]["internal"] is True


def test_the_docker_socket_is_only_on_a_network_of_its_own(catalog):
    stack = yaml.safe_load(traefik_stack(catalog, "a@b.co", "example.com", "http").compose)
    assert stack["services"]["socket-proxy"]["networks"] == ["socket"]
    assert not any("docker.sock" in str(v) for v in stack["services"]["traefik"].get("volumes", []))


def test_only_traefik_publishes_ports(catalog):
    stack = yaml.safe_load(portainer_stack(catalog, "p" * 32).compose)
    assert all("ports" not in service for service in stack["services"].values())


def test_a_cloudflare_token_is_a_docker_secret_and_never_in_the_stack(catalog):
    token = "cf-secret-token-0123456789"
    rendered = traefik_stack(catalog, "a@b.co", "example.com", "dns", cloudflare_token=token)
    assert token not in rendered.compose
    assert token in rendered.docker_secrets.values()
