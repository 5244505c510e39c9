"""Apps: the catalog, and what is deployed on a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livchat.output.formatting import local
from livchat.output.tables.columns import columns, record

Json = dict[str, Any]


def catalog(found: Json) -> Iterator[str]:
    """The apps that can be deployed."""
    rows = [
        (app["name"], app["version"], app["category"], app["depends_on"], app["description"])
        for app in found["apps"]
    ]
    return columns(("APP", "VERSION", "CATEGORY", "NEEDS", "WHAT IT IS"), rows)


def app(found: Json) -> Iterator[str]:
    """One app of the catalog, and the settings that it takes."""
    yield from record([(key, value) for key, value in found.items() if key != "params"])
    params = found.get("params") or {}
    if params:
        yield ""
        rows = [(name, *_setting(spec)) for name, spec in params.items()]
        yield from columns(("SETTING", "DEFAULT", "WHAT IT IS"), rows)


def installed(found: Json) -> Iterator[str]:
    """The apps of a server."""
    rows = [
        (app["app_name"], app["version"], app["status"], app.get("url"), local(app["deployed_at"]))
        for app in found["apps"]
    ]
    return columns(("APP", "VERSION", "STATUS", "URL", "DEPLOYED"), rows)


def _setting(spec: object) -> tuple[object, object]:
    """The default of a setting and what it is, in English."""
    if not isinstance(spec, dict):
        return None, spec
    label = spec.get("description") or spec.get("title") or spec.get("label") or spec.get("type")
    return spec.get("default"), label.get("en") if isinstance(label, dict) else label
