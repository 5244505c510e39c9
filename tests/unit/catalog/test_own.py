"""App definitions of the user's own, beside those that come with LivChat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from livchat.errors import InvalidRequest, NotFound
from livchatd.catalog.catalog import Catalog


def put(folder: Path, name: str, **says: Any) -> None:
    """An own definition; `says` replaces what stands in its `x-livchat`."""
    document = {
        "x-livchat": {
            "schema": 1, "id": name, "title": "Mine", "category": "analytics",
            "tagline": {"pt-BR": "meu", "en": "mine"}, "version": "1.2.3", "license": "MIT",
            "arch": ["amd64"], "instances": "single", "requires": {"ram_mb": 1},
            "ready": {"timeout": 10}, "admin": {"method": "none"},
            "update": {"migrations": "none", "rollback": "image"},
        }
        | says,
        "services": {
            "one": {
                "image": "example/mine:1.2.3",
                "deploy": {"resources": {"limits": {"memory": "64M"}}},
            }
        },
    }  # fmt: skip
    (folder / name).mkdir(parents=True)
    (folder / name / "app.yaml").write_text(yaml.safe_dump(document))


def test_an_own_app_stands_among_the_others_and_a_missing_folder_is_none(tmp_path: Path) -> None:
    shipped = {app.id for app in Catalog.load(tmp_path / "none").apps()}
    put(tmp_path, "mine")
    assert {app.id for app in Catalog.load(tmp_path).apps()} == shipped | {"mine"}


def test_an_own_definition_goes_before_the_one_that_comes_with_livchat(tmp_path: Path) -> None:
    put(tmp_path, "umami")
    assert Catalog.load(tmp_path).app("umami").title == "Mine"


def test_a_broken_own_definition_takes_no_other_app_away(tmp_path: Path) -> None:
    put(tmp_path, "mine", unknown="key")
    put(tmp_path, "well")
    catalog = Catalog.load(tmp_path)
    assert {"n8n", "well"} <= {app.id for app in catalog.apps()}
    with pytest.raises(InvalidRequest, match=r"mine/app\.yaml: x-livchat\.unknown") as caught:
        catalog.app("mine")
    assert "livchat daemon restart" in str(caught.value.hint)


def test_what_a_set_up_brings_is_never_an_own_definition(tmp_path: Path) -> None:
    put(tmp_path, "traefik")
    put(tmp_path, "mine", category="infrastructure")
    catalog = Catalog.load(tmp_path)
    for name in ("traefik", "mine"):
        with pytest.raises(InvalidRequest, match="comes with LivChat only"):
            catalog.app(name)


def test_a_file_that_cannot_be_read_is_told_like_one_that_breaks_a_rule(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "app.yaml").write_bytes(b"x-livchat: \xff")
    with pytest.raises(InvalidRequest, match=r"mine/app\.yaml"):
        Catalog.load(tmp_path).app("mine")


def test_an_app_whose_definition_is_gone_keeps_its_name(tmp_path: Path) -> None:
    catalog = Catalog.load(tmp_path)
    assert (catalog.title("n8n"), catalog.title("gone")) == ("n8n", "gone")
    with pytest.raises(NotFound):
        catalog.app("gone")
