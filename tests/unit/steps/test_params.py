"""The parameters of jobs: flat as they are stored, with the site of a server read out of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from livchat.wire.servers import Challenge, ServerStatus
from livchatd.steps.params import DeployAppParams, SetupServerParams
from livchatd.steps.site import Site
from livchatd.storage.inventory import ServerRecord

SETTINGS: dict[str, Any] = {
    "zone_name": "example.com",
    "subdomain": "lab",
    "ssl_email": "ops@example.com",
    "timezone": "Europe/Berlin",
    "challenge": "dns-01",
}
SITE = Site.model_validate({"server": "prod-01", "provider": "hetzner", **SETTINGS})
SETUP = {
    "name": "prod-01",
    "provider": "hetzner",
    **SETTINGS,
    "open_ports": ["8080/tcp"],
    "challenge_asked": "auto",
}
DEPLOYMENT = {**SITE.model_dump(mode="json"), "apps": []}


@pytest.mark.parametrize(
    ("model", "stored"), [(SetupServerParams, SETUP), (DeployAppParams, DEPLOYMENT)]
)
def test_the_fields_of_a_site_are_stored_flat(
    model: type[BaseModel], stored: dict[str, Any]
) -> None:
    assert model.model_validate(stored).model_dump(mode="json") == stored


def test_a_set_up_and_a_deployment_say_the_same_site() -> None:
    assert SetupServerParams.model_validate(SETUP).site == SITE
    deployment = DeployAppParams.model_validate(DEPLOYMENT)
    assert Site.model_validate(deployment.model_dump(exclude={"apps"})) == SITE


@pytest.mark.parametrize(
    ("subdomain", "domain"), [("lab", "lab.example.com"), (None, "example.com")]
)
def test_the_names_of_apps_end_with_the_domain(subdomain: str | None, domain: str) -> None:
    assert SITE.model_copy(update={"subdomain": subdomain}).domain == domain


def test_a_server_has_a_site_once_it_is_set_up() -> None:
    created = ServerRecord(
        name="prod-01",
        provider="hetzner",
        status=ServerStatus.RUNNING,
        created_at="2026-11-25T08:00:00Z",
        zone_name="example.com",
    )
    assert Site.of(created) is None
    setup = {**SETTINGS, "setup_at": created.created_at, "challenge": Challenge.DNS}
    record = created.model_copy(update=setup)
    assert Site.of(record) == SITE
    assert record.domain == SITE.domain
