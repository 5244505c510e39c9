"""What a definition may not say: each rule on a definition that is right but for one thing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livchat.errors import InvalidRequest
from livchatd.catalog.catalog import App, read_app

Tree = dict[str, Any]

GOOD: Tree = yaml.safe_load("""
x-livchat:
  schema: 1
  id: demo
  title: Demo
  category: cms
  tagline: {pt-BR: Demonstração, en: Demonstration}
  version: "1.2.3"
  license: MIT
  arch: [amd64]
  instances: multiple
  requires: {ram_mb: 64}
  uses: {db: {capability: postgres}}
  params: {mail: {type: email, default_from: email, label: {pt-BR: E-mail, en: E-mail}}}
  secrets: {key: {generate: hex}}
  routes: {main: {service: web, port: 80, prefix: demo}}
  volumes: {data: {class: data}}
  ready: {timeout: 60, checks: [{route: main}]}
  admin: {method: env}
  update: {migrations: none, rollback: image}
services:
  web:
    image: example/demo:v1.2.3
    environment: {DATABASE: "${DB_URL}", MAIL: "${MAIL}", APP_KEY: "${KEY}"}
    volumes: [data:/data]
    healthcheck: {test: [CMD, curl, "http://127.0.0.1/"]}
    deploy: {resources: {limits: {memory: 64M}}}
volumes: {data: {}}
""")


def read(folder: Path, document: Tree) -> App:
    place = folder / "demo" / "app.yaml"
    place.parent.mkdir(exist_ok=True)
    place.write_text(yaml.safe_dump(document), "utf-8")
    return read_app(place)


def put(path: str, value: Any) -> Callable[[Tree], None]:
    """Set the value at `a/b/c`."""

    def change(document: Tree) -> None:
        *way, last = path.split("/")
        for key in way:
            document = document[key]
        document[last] = value

    return change


def test_the_definition_is_right_as_it_stands(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).needs == ["postgres"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("x-livchat/colour", "red"), "x-livchat.colour"),
        (put("x-livchat/schema", 2), "x-livchat.schema"),
        (put("x-livchat/id", "other"), "folder named"),
        (put("x-livchat/version", "1.2.4"), "not the tag"),
        (put("x-livchat/routes/main/service", "gone"), "no service 'gone'"),
        (put("x-livchat/start_order", ["gone"]), "no service 'gone'"),
        (put("x-livchat/ready/checks", [{"route": "gone"}]), "no route 'gone'"),
        (put("x-livchat/secrets/idle", {"generate": "hex"}), "nothing uses it"),
        (put("x-livchat/secrets/mail", {"generate": "hex"}), "two meanings"),
        (put("x-livchat/volumes/more", {"class": "data"}), "volumes.more"),
        (put("x-livchat/backup", {"volumes": ["gone"]}), "no volume 'gone'"),
        (put("x-livchat/admin", {"method": "ui", "claim_risk": True}), "comes first"),
        (
            put("x-livchat/admin", {"method": "ui", "claim_risk": True, "protect": "gate"}),
            "gate_users",
        ),
        (put("x-livchat/admin", {"method": "job", "protect": "job"}), "jobs"),
        (put("services/web/image", "example/demo"), "needs a tag"),
        (put("services/web/image", "example/demo:latest"), "moves"),
        (put("services/web/image", "bitnami/demo:v1.2.3"), "no more fixes"),
        (put("services/web/restart", "always"), "passes over"),
        (put("services/web/profiles", ["a"]), "refuses"),
        (put("services/web/ports", ["80:80"]), "renderer"),
        (put("services/web/networks", ["a"]), "renderer"),
        (put("services/web/deploy/labels", {"a": "b"}), "renderer"),
        (put("services/web/deploy", {}), "memory"),
        (put("services/web/healthcheck", {}), "routed service"),
        (put("services/web/healthcheck/test", ["CMD", "curl", "http://localhost"]), "127.0.0.1"),
        (put("services/web/environment/OTHER", "${OTHER}"), "nothing gives it"),
        (put("services/web/environment/OTHER", "a $HOME"), "doubled"),
        (put("services/web/environment/API_KEY", "429683C4"), "written down"),
        (put("services/web/environment/BACK", "http://web:80/x"), "INSTANCE"),
        (put("services/web/environment/REDIS_HOST", "web"), "INSTANCE"),
        (put("services/web/secrets", ["key"]), "file: true"),
        (put("services/web/x-livchat", {"order": "never"}), "x-livchat.order"),
        (put("configs", {}), "not for a definition"),
        (put("services", {}), "at least one"),
    ],
)
def test_a_definition_that_is_wrong_names_file_and_key(
    tmp_path: Path, change: Callable[[Tree], None], words: str
) -> None:
    document = copy.deepcopy(GOOD)
    change(document)
    with pytest.raises(InvalidRequest, match=words) as caught:
        read(tmp_path, document)
    assert caught.value.message.startswith("demo/app.yaml: ")


@pytest.mark.parametrize("text", ["", "[]", "a: [", "x-livchat: 3"])
def test_a_file_that_is_no_definition_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "app.yaml").write_text(text)
    with pytest.raises(InvalidRequest, match=r"demo/app\.yaml"):
        read_app(tmp_path / "demo" / "app.yaml")
