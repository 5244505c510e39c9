"""The OpenAPI 3.1 document of the API, made from the table of routes and the wire models."""

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


_PATH_PARAMS = {
    "name": {"type": "string", "pattern": LABEL},
    "app_name": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,29}$"},
    "job_id": {"type": "string", "minLength": 1, "maxLength": 128},
    "key": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/@:-]{0,199}$"},
}


class DescribedRoute(Protocol):
    """What the document says about a route."""

    @property
    def method(self) -> str:
        """GET, POST or DELETE."""

    @property
    def path(self) -> str:
        """Its path, with {parameters}."""

    @property
    def summary(self) -> str:
        """What it does, in a few words."""

    @property
    def response(self) -> type[BaseModel] | None:
        """The model of its response, or of each event of a stream."""

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of its request body."""

    @property
    def query(self) -> type[BaseModel] | None:
        """The model of its query."""

    @property
    def plan(self) -> type[BaseModel] | None:
        """The model of its response to `?plan=true`."""

    @property
    def status(self) -> int:
        """The status of its response."""

    @property
    def media(self) -> str:
        """The media type of its response."""

    @property
    def mutates(self) -> bool:
        """Whether it changes something."""

    @property
    def open(self) -> bool:
        """Whether it needs no token over TCP."""

    @property
    def name(self) -> str:
        """Its operation id."""


def document(routes: Iterable[DescribedRoute]) -> dict[str, Any]:
    """Return the OpenAPI document as a JSON object."""
    routes = list(routes)
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {
        (ErrorResponse, "serialization"): None
    }
    for route in routes:
        if route.body is not None:
            models[route.body, "validation"] = None
        if route.response is not None:
            models[route.response, "serialization"] = None
        if route.plan is not None:
            models[route.plan, "serialization"] = None
    refs, schemas = models_json_schema(list(models), ref_template=_REF)
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


def _operation(route: DescribedRoute, refs: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route.path)],
        "parameters": _parameters(route),
        "security": [{}] if route.open else [{}, {"token": []}],
        "responses": {
            str(route.status): _response(route, refs),
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


def _response(route: DescribedRoute, refs: Any) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "The job is on disk" if route.status == 202 else "Done"
    }
    schema: dict[str, Any] = {"type": "string" if route.media == "text/html" else "object"}
    if route.response is not None:
        schema = refs[route.response, "serialization"]
    if route.media == "text/event-stream":
        response["description"] = "Each event's data is one line of JSON, by this schema"
        response["content"] = {
            "text/event-stream": {"schema": _event({"type": "string"}), "x-event": schema},
            "application/x-ndjson": {"schema": _event(schema), "x-event": schema},
        }
        return response
    response["content"] = {route.media: {"schema": schema}}
    if route.status == 202:
        response["headers"] = {
            "Location": {"description": "The job's path", "schema": {"type": "string"}}
        }
    return response


def _event(data: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one event of a stream, whose data has the schema `data`."""
    kinds = ["job", "step", "log", "progress", "end"]
    return {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {"id": {"type": "string"}, "event": {"enum": kinds}, "data": data},
    }


def _parameters(route: DescribedRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMS[name]}
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
    """Return the schema with its references replaced: a parameter has no definitions of its own."""
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
