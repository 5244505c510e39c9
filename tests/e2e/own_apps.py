"""App definitions of the user's own: a real app, and apps that fail, each in a way of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent / "catalog"
REDIS = "redis:8.2.9-bookworm"
QUICK = {"interval": "1s", "timeout": "2s", "retries": 1, "start_period": "1s"}
SLEEP = ["sleep", "600"]
FAILING: dict[str, dict[str, Any]] = {
    "absent": {"image": "ghcr.io/example/absent:1.2.3"},
    "broken": {"image": REDIS, "command": ["sh", "-c", "echo there is no bed here; exit 3"]},
    "brief": {"image": REDIS, "command": ["echo", "all is done"]},
    "sick": {
        "image": REDIS,
        "command": SLEEP,
        "healthcheck": {"test": ["CMD-SHELL", "exit 1"], **QUICK},
    },
    "huge": {
        "image": REDIS,
        "command": SLEEP,
        "deploy": {"resources": {key: {"memory": "4096G"} for key in ("limits", "reservations")}},
    },
    "bound": {
        "image": REDIS,
        "command": SLEEP,
        "volumes": ["data:/data"],
    },
}  # fmt: skip
"""The one service of each app that cannot run."""
HOPELESS: dict[str, Any] = {
    "name": "install",
    "phase": ["install"],
    "like": "web",
    "command": ["sh", "-c", "echo there is nothing to install; exit 4"],
    "before": ["web"],
    "retries": 1,
    "idempotent": True,
}
"""A job that fails, and is tried once more."""
LIMITS = {"deploy": {"resources": {"limits": {"memory": "64M"}}}}


def lay_out(catalog: Path) -> None:
    """Put all of them where the daemon looks for them."""
    shutil.copytree(HERE, catalog)
    for name, service in FAILING.items():
        (catalog / name).mkdir()
        definition = _definition(name, {"web": LIMITS | service})
        (catalog / name / "app.yaml").write_text(yaml.safe_dump(definition))
    hopeless = _definition("hopeless", {"web": LIMITS | {"image": REDIS, "command": SLEEP}})
    hopeless["x-livchat"]["jobs"] = [HOPELESS]
    (catalog / "hopeless").mkdir()
    (catalog / "hopeless" / "app.yaml").write_text(yaml.safe_dump(hopeless))


def _definition(name: str, services: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(services.values()))
    volumes: dict[str, Any] = {"data": {}} if "volumes" in first else {}
    return {
        "x-livchat": {
            "schema": 1, "id": name, "title": name.title(), "category": "productivity",
            "tagline": {"pt-BR": "não roda", "en": "does not run"},
            "version": first["image"].rpartition(":")[2], "license": "MIT", "arch": ["amd64"],
            "instances": "single", "requires": {"ram_mb": 1}, "ready": {"timeout": 600},
            "admin": {"method": "none"}, "update": {"migrations": "none", "rollback": "image"},
            "volumes": {name: {"class": "data"} for name in volumes},
        },
        "services": services,
        "volumes": volumes,
    }  # fmt: skip
