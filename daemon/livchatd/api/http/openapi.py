"""OpenAPI 3.1 of the API, made from the route table and the wire models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from livchat import __version__
from livchat.wire.base import LABEL
from livchat.wire.errors import ErrorResponse
from livchatd.api.http.queries import CURSOR

_REF = "#/components/schemas/{model}"
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gives the first answer again, for 24 h.",
    "schema": {"type": "string", "pattern": "^[!-~][ -~]{6,126}[!-~]$"},
}
_CURSOR = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The event after which the stream goes on.",
    "schema": {"type": "string", "pattern": CURSOR},
}


_PARTS = {
    "name": {"type": "string", "pattern": LABEL},
    "app_name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,29}$"},
    "job_id": {"type": "string", "minLength": 1, "maxLength": 128},
    "key": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/@:-]{0,199}$"},
}


class Described(Protocol):
    """What the document says of a route."""

    @property
    def method(self) -> str:
        """GET, POST or DELETE."""

    @property
    def path(self) -> str:
        """Its path, with {parts}."""

    @property
    def summary(self) -> str:
        """What it does, in a few words."""

    @property
    def answer(self) -> type[BaseModel] | None:
        """The model of its answer."""

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of what it takes."""

    @property
    def query(self) -> type[BaseModel] | None:
        """The model of its query."""

    @property
    def plan(self) -> type[BaseModel] | None:
        """The model of its answer where only a plan is asked for."""

    @property
    def status(self) -> int:
        """The status of its answer."""

    @property
    def media(self) -> str:
        """The media type of its answer."""

    @property
    def mutates(self) -> bool:
        """Whether it changes something."""

    @property
    def open(self) -> bool:
        """Whether it needs no token over TCP."""

    @property
    def name(self) -> str:
        """The name of its operation."""


def document(routes: Iterable[Described]) -> dict[str, Any]:
    """The OpenAPI document, as a JSON object."""
    routes = list(routes)
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (ErrorResponse, "serialization"): None
    }
    for route in routes:
        if route.body is not None:
            wanted[route.body, "validation"] = None
        if route.answer is not None:
            wanted[route.answer, "serialization"] = None
        if route.plan is not None:
            wanted[route.plan, "serialization"] = None
    refs, schemas = models_json_schema(list(wanted), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LivChat Setup",
            "version": __version__,
            "description": "From an empty cloud account to self-hosted apps over HTTPS.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Described, refs: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route.path)],
        "parameters": _parameters(route),
        "security": [{}] if route.open else [{}, {"token": []}],
        "responses": {
            str(route.status): _answer(route, refs),
            "default": {
                "description": "What went wrong",
                "content": {"application/json": {"schema": refs[ErrorResponse, "serialization"]}},
            },
        },
    }
    if route.plan is not None:
        operation["responses"]["200"] = {
            "description": "With `plan=true`: what would be done; nothing has been",
            "content": {"application/json": {"schema": refs[route.plan, "serialization"]}},
        }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[route.body, "validation"]}},
        }
    return operation


def _answer(route: Described, refs: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": "The job is on disk" if route.status == 202 else "Done"
    }
    schema: dict[str, Any] = {"type": "string" if route.media == "text/html" else "object"}
    if route.answer is not None:
        schema = refs[route.answer, "serialization"]
    if route.media == "text/event-stream":
        answer["description"] = "Each event's data is one line of JSON, by this schema"
        answer["content"] = {
            "text/event-stream": {"schema": _event({"type": "string"}), "x-event": schema},
            "application/x-ndjson": {"schema": _event(schema), "x-event": schema},
        }
        return answer
    answer["content"] = {route.media: {"schema": schema}}
    if route.status == 202:
        answer["headers"] = {
            "Location": {"description": "The job's path", "schema": {"type": "string"}}
        }
    return answer


def _event(data: dict[str, Any]) -> dict[str, Any]:
    """One event of a stream, or one line of it."""
    kinds = ["job", "step", "log", "progress", "end"]
    return {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {"id": {"type": "string"}, "event": {"enum": kinds}, "data": data},
    }


def _parameters(route: Described) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PARTS[name]}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if route.query is not None:
        found += _query(route.query)
    if route.mutates:
        found.append(_KEY)
    if route.media == "text/event-stream":
        found.append(_CURSOR)
    return found


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _inlined(field, definitions),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references, since a parameter's definitions stand nowhere else."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _tag(path: str) -> str:
    parts = path.split("/")
    if parts[1] != "api":
        return "daemon"
    if parts[-1] == "apps" or "apps" in parts:
        return "apps"
    return {"init": "config", "events": "jobs", "up": "servers"}.get(parts[2], parts[2])
