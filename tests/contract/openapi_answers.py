"""Checks answers against a vendor's published OpenAPI description, where it is at hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs"


class Description:
    """One description. `seen` counts the answers that were checked, by operation."""

    def __init__(self, name: str, base: str, failure: str | None = None) -> None:
        document = json.loads((SPECS / name).read_text())
        if document["openapi"].startswith("3.0"):
            document = _modern(document)
        self.seen: dict[str, int] = {}
        self._base = base
        self._failure = failure
        self._document = document
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:description", resource)

    def may_be_null(self, schema: str) -> None:
        """Mend a schema that the vendor's own answers do not keep: null where there is none."""
        named = self._document["components"]["schemas"][schema]
        named["type"] = [named["type"], "null"]

    def check(self, method: str, path: str, status: int, body: bytes) -> None:
        """Fail if the description forbids this answer; where it is silent, all is well."""
        template = self._template(path.removeprefix(self._base))
        operation = self._document["paths"].get(template or "", {}).get(method.lower())
        if operation is None:
            return
        kind = str(status) if str(status) in operation["responses"] else f"{status // 100}XX"
        assert kind in operation["responses"], f"{method} {template} must not answer {status}"
        self.seen[f"{method} {template}"] = self.seen.get(f"{method} {template}", 0) + 1
        if status == 204:
            assert body == b""
            return
        parts = ["paths", template or "", method.lower(), "responses", kind]
        pointer = [*parts, "content", "application/json", "schema"]
        if status >= 400 and self._failure is not None:
            pointer = ["components", "schemas", self._failure]
        self._validate(pointer, json.loads(body), f"{method} {template} {status}")

    def _validate(self, pointer: list[str], data: Any, where: str) -> None:
        path = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
        validator = Draft202012Validator(
            {"$ref": f"urn:description#/{path}"},
            registry=self._registry,
            format_checker=FormatChecker(),
        )
        wrong = [
            f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(data)
        ]
        assert not wrong, f"{where}: {wrong}"

    def _template(self, path: str) -> str | None:
        # A fixed name comes before a parameter: `/servers/actions` is no server.
        for template in sorted(self._document["paths"], key=lambda t: t.count("{")):
            pattern = re.sub(r"\\\{[^/]*\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path):
                return str(template)
        return None


def _modern(node: Any) -> Any:
    """A 3.0 schema in 3.1's words: `nullable` becomes a type, exclusive limits numbers."""
    if isinstance(node, list):
        return [_modern(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _modern(value) for key, value in node.items()}
    if made.pop("nullable", None) is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    for limit in ("Minimum", "Maximum"):
        if made.get(f"exclusive{limit}") is True:
            made[f"exclusive{limit}"] = made.pop(limit.lower())
        elif made.get(f"exclusive{limit}") is False:
            del made[f"exclusive{limit}"]
    return made
