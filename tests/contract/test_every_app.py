"""Every app of the catalog: what Docker, the contract and the reader of the page expect of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from livchatd.catalog.base_stacks import portainer_stack, traefik_stack
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.dependencies import deployment_order
from livchatd.catalog.render import render
from livchatd.catalog.render_types import RenderedStack
from livchatd.catalog.schema import Definition
from tests.e2e.docker_cli import NoCommandLine, that_knows_stack_config
from tests.unit.catalog.sample import sample_input as order

CATALOG = Catalog.load()
APPS = CATALOG.apps()
each_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.id)
StackConfig = Callable[[str], str]


@pytest.fixture(scope="module")
def accepted() -> Iterator[StackConfig]:
    """What `docker stack config` makes of a Compose file, which it must take without a word."""
    try:
        with that_knows_stack_config() as docker:
            yield lambda compose: _accepted(docker, compose)
    except NoCommandLine as reason:
        pytest.skip(str(reason))


def _accepted(docker: tuple[str, ...], compose: str) -> str:
    done = subprocess.run(
        [*docker, "stack", "config", "--compose-file", "-"],
        input=compose,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "docker passes over something"
    return done.stdout


def infrastructure() -> dict[str, RenderedStack]:
    return {
        "traefik by DNS": traefik_stack(CATALOG, "a@b.co", "b.co", "dns", cloudflare_token="t"),
        "traefik by HTTP": traefik_stack(CATALOG, "a@b.co", "b.co", "http"),
        "portainer": portainer_stack(CATALOG, "password"),
    }


@pytest.mark.timeout(900)  # the first run may build the machine
@each_app
def test_docker_accepts_every_wave(accepted: StackConfig, app: App) -> None:
    for wave in render(app, order(app)).waves:
        accepted(wave.compose)


@pytest.mark.timeout(900)  # the first run may build the machine
def test_docker_reads_the_values_that_were_meant(accepted: StackConfig) -> None:
    app = CATALOG.app("n8n")
    asked = order(app)
    told = yaml.safe_load(accepted(render(app, asked).compose))["services"]["editor"]
    assert (
        told["environment"]["N8N_INSTANCE_OWNER_PASSWORD_HASH"].replace("$$", "$")
        == (asked.secrets["owner_hash"])
    )


@pytest.mark.timeout(900)  # the first run may build the machine
@pytest.mark.parametrize("name", ["traefik by DNS", "traefik by HTTP", "portainer"])
def test_docker_accepts_the_infrastructure(accepted: StackConfig, name: str) -> None:
    accepted(infrastructure()[name].compose)


@each_app
def test_all_that_it_needs_can_be_had(app: App) -> None:
    assert deployment_order(CATALOG, [app.id], [])[-1] == app.id


@each_app
def test_it_travels_in_both_languages(app: App) -> None:
    wire = CATALOG.wire(app)
    assert wire.name == app.id
    assert set(wire.depends_on) <= {other.id for other in APPS}
    assert app.spec.tagline.pt_br
    assert app.spec.tagline.en


@each_app
def test_its_prefixes_are_its_own(app: App) -> None:
    ours = {route.prefix for route in app.spec.routes.values()} - {None}
    others = {
        route.prefix for other in APPS if other is not app for route in other.spec.routes.values()
    }
    assert not ours & others


@each_app
def test_every_image_is_pinned_and_every_service_limited(app: App) -> None:
    rendered = render(app, order(app))
    services = yaml.safe_load(rendered.compose)["services"]
    assert {service["image"] for service in services.values()} <= set(rendered.images)
    for service in services.values():
        assert "memory" in service["deploy"]["resources"]["limits"]
        assert "ports" not in service


def test_every_folder_of_the_catalog_is_an_app_and_on_the_page(root: Path) -> None:
    page = (root / "docs/reference/catalog.md").read_text("utf-8")
    for place in (root / "daemon/livchatd/catalog/apps").iterdir():
        assert CATALOG.app(place.name).id == place.name
        assert f"`{place.name}`" in page


def test_every_key_of_a_definition_is_on_the_page(root: Path) -> None:
    page = (root / "docs/reference/catalog.md").read_text("utf-8")
    for name, field in Definition.model_fields.items():
        assert f"`{field.alias or name}`" in page
