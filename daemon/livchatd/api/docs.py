"""The documentation of the API: OpenAPI as JSON, and as one page that loads nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from html import escape
from typing import Any

from aiohttp import web

from livchat import __version__
from livchatd.api.http.messages import reply
from livchatd.api.http.openapi import DescribedRoute, document

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;
max-width:60rem;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.5rem}h2{margin-top:2rem;text-transform:capitalize;border-bottom:1px solid #ddd}
details{border:1px solid #ddd;border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}
summary{cursor:pointer}code,pre{font:13px/1.4 ui-monospace,monospace}
pre{background:#f6f6f6;padding:.6rem;overflow:auto}b.m{display:inline-block;width:4.5rem}
span{color:#666;margin-left:.6rem}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}pre{background:#222}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


class Document:
    """The documentation in both forms, each made at its first use."""

    def __init__(self, routes: Iterable[DescribedRoute]) -> None:
        self._routes = tuple(routes)

    @cached_property
    def text(self) -> str:
        """The OpenAPI 3.1 document as JSON."""
        return json.dumps(self._object, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def html(self) -> str:
        """The document as a page of HTML."""
        return _page(self._object)

    @cached_property
    def _object(self) -> dict[str, Any]:
        return document(self._routes)


DOCUMENT = web.AppKey("document", Document)


async def openapi(request: web.Request) -> web.Response:
    return reply(request.app[DOCUMENT].text)


async def page(request: web.Request) -> web.Response:
    return web.Response(
        text=request.app[DOCUMENT].html,
        content_type="text/html",
        headers={"Content-Security-Policy": _POLICY},
    )


def _page(api: dict[str, Any]) -> str:
    schemas = api["components"]["schemas"]
    groups: dict[str, list[str]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(
                _operation(method.upper(), path, operation)
            )
    routes = "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in groups.items())
    models = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"{_json(schema)}</details>"
        for name, schema in sorted(schemas.items())
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>LivChat Setup API {__version__}</title><style>{_STYLE}</style></head><body>"
        f"<h1>LivChat Setup API {__version__}</h1><p>{escape(api['info']['description'])} "
        'As data: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{routes}<h2>models</h2>{models}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = []
    for parameter in operation["parameters"]:
        needed = ", needed" if parameter["required"] else ""
        about = escape(parameter.get("description", ""))
        name = escape(parameter["name"])
        parts.append(f"<li><code>{name}</code> ({parameter['in']}{needed}) {about}</li>")
    body = operation.get("requestBody")
    request = f"<p>Body: {_content(body['content'])}</p>" if body else ""
    responses = "".join(
        f"<li>{status}: {escape(response['description'])} {_content(response['content'])}</li>"
        for status, response in operation["responses"].items()
    )
    return (
        f'<details><summary><b class="m">{method}</b><code>{escape(path)}</code>'
        f"<span>{escape(operation['summary'])}</span></summary>"
        f"<ul>{''.join(parts)}</ul>{request}<ul>{responses}</ul></details>"
    )


def _content(content: dict[str, Any]) -> str:
    found = []
    for media, what in content.items():
        schema = what.get("x-event") or what["schema"]
        name = schema.get("$ref", "").rpartition("/")[2]
        model = f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>' if name else ""
        found.append(f"<code>{escape(media)}</code> {model}")
    return ", ".join(found)


def _json(schema: Any) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
