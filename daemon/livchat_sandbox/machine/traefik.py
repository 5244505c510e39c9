"""What a browser sees on a machine: Traefik's routing by labels, and a page for each app."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from livchat_sandbox.docker.images import family

if TYPE_CHECKING:
    from livchat_sandbox.docker.engine import Engine
    from livchat_sandbox.docker.state import Service

_RULE = re.compile(r"^traefik\.http\.routers\.([^.]+)\.rule$")
_HEALTH = {"/healthz", "/health", "/healthz/readiness", "/api/health", "/ping"}


@dataclass(frozen=True)
class Site:
    """An answer over HTTP."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def _matches(rule: str, host: str, path: str) -> bool:
    hosts = [each for group in re.findall(r"Host\(([^)]*)\)", rule) for each in _quoted(group)]
    if host not in hosts:
        return False
    exact = [each for group in re.findall(r"\bPath\(([^)]*)\)", rule) for each in _quoted(group)]
    begun = [
        each for group in re.findall(r"PathPrefix\(([^)]*)\)", rule) for each in _quoted(group)
    ]
    return not (exact or begun) or path in exact or path.startswith(tuple(begun))


def _quoted(group: str) -> list[str]:
    return re.findall(r"[`\"]([^`\"]+)[`\"]", group)


@dataclass(frozen=True)
class _Route:
    """A router of Traefik's, by its name in the labels of a service."""

    name: str
    rule: str
    service: Service

    def passwords(self) -> list[str]:
        """The htpasswd lines of those who are let in; none where everybody is."""
        labels = self.service.spec.labels
        guards = labels.get(f"traefik.http.routers.{self.name}.middlewares", "").split(",")
        return [
            line
            for guard in guards
            for line in labels.get(
                f"traefik.http.middlewares.{guard.strip()}.basicauth.users", ""
            ).split(",")
            if line
        ]


def _routes(services: list[Service]) -> Iterator[_Route]:
    for service in services:
        if service.spec.labels.get("traefik.enable") != "true":
            continue
        for label, rule in service.spec.labels.items():
            if found := _RULE.match(label):
                yield _Route(found[1], rule, service)


def _let_in(lines: list[str], authorization: str) -> bool:
    """Whether an Authorization header names one of the people of these htpasswd lines (bcrypt)."""
    import bcrypt  # noqa: PLC0415 - not at the sandbox's start

    scheme, _, told = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    if scheme.lower() != "basic" or name not in known or len(password.encode()) > 72:
        return False
    return bcrypt.checkpw(password.encode(), known[name].encode())


def site(engine: Engine, host: str, path: str, authorization: str = "") -> Site | None:
    """What Traefik answers; None where it has no router, or does not run itself.

    `authorization` is the request's header of that name.

    Swarm shows Traefik only tasks that run, so a service that is still getting healthy has no
    router; one without a health check has a router before it answers (502).
    """
    services = list(engine.held.services.values())
    proxies = [
        each
        for each in services
        if family(each.spec.image).name == "traefik" and engine.serving(each)
    ]
    if not proxies:
        return None
    routed = [
        route
        for route in _routes(services)
        if _matches(route.rule, host.lower().partition(":")[0], path)
        and any(task.state == "running" for task in engine.tasks(route.service))
    ]
    if not routed:
        return None
    route = max(routed, key=lambda route: len(route.rule))
    service = route.service
    if (lines := route.passwords()) and not _let_in(lines, authorization):
        asked = {"WWW-Authenticate": 'Basic realm="traefik"'}
        return Site(401, "text/plain; charset=utf-8", "401 Unauthorized\n", asked)
    if not any(set(service.spec.networks) & set(proxy.spec.networks) for proxy in proxies):
        return Site(504, "text/plain; charset=utf-8", "Gateway Timeout")
    if not engine.serving(service):
        return Site(502, "text/plain; charset=utf-8", "Bad Gateway")
    return _page(service, path)


def _page(service: Service, path: str) -> Site:
    if path.rstrip("/") in _HEALTH:
        return Site(200, "application/json; charset=utf-8", json.dumps({"status": "ok"}))
    kind = family(service.spec.image)
    if (elsewhere := kind.leads.get(path)) is not None:
        return Site(302, "text/plain; charset=utf-8", "", {"Location": elsewhere})
    title = html.escape(kind.title)
    stack, image = html.escape(service.stack), html.escape(service.spec.image)
    body = (
        '<!doctype html>\n<html lang="en">\n'
        f'<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n'
        f"<p>This is {title} as the sandbox plays it: stack {stack}, image {image}.</p>\n"
        "</body>\n</html>\n"
    )
    return Site(200, "text/html; charset=utf-8", body)
