"""What is deployed for what, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from livchat.errors import InvalidRequest, NotFound
from livchatd.catalog.catalog import Catalog
from livchatd.catalog.dependencies import deployment_order

CATALOG = Catalog.load()


def small(folder: Path, needs: dict[str, list[str]]) -> Catalog:
    """A catalog of apps that each offer a capability with their own name, `_` for `-`."""
    for name, wanted in needs.items():
        words = {"pt-BR": name, "en": name}
        document = {
            "x-livchat": {
                "schema": 1, "id": name, "title": name, "category": "database", "tagline": words,
                "version": "1.2.3", "license": "MIT", "arch": ["amd64"], "instances": "single",
                "requires": {"ram_mb": 64}, "ready": {"timeout": 60}, "admin": {"method": "none"},
                "update": {"migrations": "none", "rollback": "image"},
                "uses": {f"u{n}": {"capability": need} for n, need in enumerate(wanted)},
                "secrets": {"password": {"generate": "alnum"}},
                "provides": [
                    {"capability": name, "version": "1", "service": "one", "port": 1,
                     "password_secret": "password"}
                ],
            },
            "services": {
                "one": {
                    "image": f"example/{name}:1.2.3",
                    "deploy": {"resources": {"limits": {"memory": "64M"}}},
                }
            },
        }  # fmt: skip
        (folder / name).mkdir()
        (folder / name / "app.yaml").write_text(yaml.safe_dump(document))
    return Catalog(folder)


def test_what_an_app_needs_comes_before_it() -> None:
    assert deployment_order(CATALOG, ["n8n"], []) == ["postgres", "redis", "n8n"]
    assert deployment_order(CATALOG, ["wordpress"], []) == ["mariadb", "wordpress"]


def test_what_is_installed_is_left_out_unless_wanted() -> None:
    assert deployment_order(CATALOG, ["n8n"], ["postgres"]) == ["redis", "n8n"]
    assert deployment_order(CATALOG, ["n8n"], ["postgres", "redis", "n8n"]) == ["n8n"]
    assert deployment_order(CATALOG, ["redis", "n8n"], ["redis", "postgres"]) == ["redis", "n8n"]


def test_an_unknown_app_is_told_with_names_that_come_close() -> None:
    with pytest.raises(NotFound, match="did you mean chatwoot") as caught:
        deployment_order(CATALOG, ["chatwot"], [])
    assert caught.value.hint == "livchat app catalog"


def test_infrastructure_is_not_deployed_by_hand() -> None:
    with pytest.raises(InvalidRequest, match="set-up"):
        deployment_order(CATALOG, ["traefik"], [])
    assert not {"traefik", "portainer"} & {app.id for app in CATALOG.apps()}


def test_a_circle_is_told_by_its_names(tmp_path: Path) -> None:
    catalog = small(tmp_path, {"aa": ["bb"], "bb": ["cc"], "cc": ["aa"]})
    with pytest.raises(InvalidRequest, match="aa -> bb -> cc -> aa"):
        deployment_order(catalog, ["aa"], [])


def test_a_capability_that_nothing_offers_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="offers 'zz'"):
        deployment_order(small(tmp_path, {"aa": ["zz"]}), ["aa"], [])


NAMES = [f"a{letter}" for letter in "abcdefgh"]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_is_whole_without_repeats_and_topological(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    needs = {
        name: data.draw(st.lists(st.sampled_from(NAMES[:place]), unique=True)) if place else []
        for place, name in enumerate(NAMES)
    }
    wanted = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    installed = data.draw(st.lists(st.sampled_from(NAMES), unique=True))
    order = deployment_order(small(tmp_path_factory.mktemp("apps"), needs), wanted, installed)
    assert len(order) == len(set(order))
    assert set(wanted) <= set(order)
    assert not (set(order) - set(wanted)) & set(installed)
    for place, name in enumerate(order):
        for need in needs[name]:
            assert need in installed or need in order[:place]
            assert need not in order[place:]
