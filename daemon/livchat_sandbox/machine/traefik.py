"""Traefik of a machine: it routes requests by the labels of services, and apps answer a page."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from livchat_sandbox.docker.images import profile_of

if TYPE_CHECKING:
    from livchat_sandbox.docker.engine import Engine
    from livchat_sandbox.docker.state import Service

_RULE = re.compile(r"^traefik\.http\.routers\.([^.]+)\.rule$")
_HEALTH_PATHS = {"/healthz", "/health", "/healthz/readiness", "/api/health", "/ping"}


@dataclass(frozen=True)
class ProxyResponse:
    """An answer of Traefik, or of an app behind it, over HTTP."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def _matches(rule: str, host: str, path: str) -> bool:
    hosts = [each for group in re.findall(r"Host\(([^)]*)\)", rule) for each in _quoted(group)]
    if host not in hosts:
        return False
    exact = [each for group in re.findall(r"\bPath\(([^)]*)\)", rule) for each in _quoted(group)]
    prefixes = [
        each for group in re.findall(r"PathPrefix\(([^)]*)\)", rule) for each in _quoted(group)
    ]
    return not (exact or prefixes) or path in exact or path.startswith(tuple(prefixes))


def _quoted(group: str) -> list[str]:
    return re.findall(r"[`\"]([^`\"]+)[`\"]", group)


@dataclass(frozen=True)
class _Router:
    """A router of Traefik: its name and rule in the labels of a service."""

    name: str
    rule: str
    service: Service

    def htpasswd(self) -> list[str]:
        """Return the htpasswd lines of who may pass; none if everybody may."""
        labels = self.service.spec.labels
        middlewares = labels.get(f"traefik.http.routers.{self.name}.middlewares", "").split(",")
        return [
            line
            for middleware in middlewares
            for line in labels.get(
                f"traefik.http.middlewares.{middleware.strip()}.basicauth.users", ""
            ).split(",")
            if line
        ]


def _routers(services: list[Service]) -> Iterator[_Router]:
    for service in services:
        if service.spec.labels.get("traefik.enable") != "true":
            continue
        for label, rule in service.spec.labels.items():
            if match := _RULE.match(label):
                yield _Router(match[1], rule, service)


def _may_pass(htpasswd: list[str], authorization: str) -> bool:
    """Whether an Authorization header holds a name and password of these lines (bcrypt)."""
    import bcrypt  # noqa: PLC0415 - not at the sandbox's start

    scheme, _, credentials = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    known = dict(line.split(":", 1) for line in htpasswd if ":" in line)
    if scheme.lower() != "basic" or name not in known or len(password.encode()) > 72:
        return False
    return bcrypt.checkpw(password.encode(), known[name].encode())


def respond(engine: Engine, host: str, path: str, authorization: str = "") -> ProxyResponse | None:
    """Return what Traefik answers; None where it has no router, or does not run itself.

    `authorization` is the request's header of that name. Swarm shows Traefik only tasks that run:
    a service that is not healthy yet has no router, and one without a health check has a router
    before it answers (502).
    """
    services = list(engine.state.services.values())
    proxies = [
        each
        for each in services
        if profile_of(each.spec.image).name == "traefik" and engine.is_serving(each)
    ]
    if not proxies:
        return None
    routers = [
        router
        for router in _routers(services)
        if _matches(router.rule, host.lower().partition(":")[0], path)
        and any(task.state == "running" for task in engine.tasks(router.service))
    ]
    if not routers:
        return None
    router = max(routers, key=lambda router: len(router.rule))
    service = router.service
    if (htpasswd := router.htpasswd()) and not _may_pass(htpasswd, authorization):
        challenge = {"WWW-Authenticate": 'Basic realm="traefik"'}
        return ProxyResponse(401, "text/plain; charset=utf-8", "401 Unauthorized\n", challenge)
    if not any(set(service.spec.networks) & set(proxy.spec.networks) for proxy in proxies):
        return ProxyResponse(504, "text/plain; charset=utf-8", "Gateway Timeout")
    if not engine.is_serving(service):
        return ProxyResponse(502, "text/plain; charset=utf-8", "Bad Gateway")
    return _page(service, path)


def _page(service: Service, path: str) -> ProxyResponse:
    if path.rstrip("/") in _HEALTH_PATHS:
        return ProxyResponse(200, "application/json; charset=utf-8", json.dumps({"status": "ok"}))
    profile = profile_of(service.spec.image)
    if (target := profile.redirects.get(path)) is not None:
        return ProxyResponse(302, "text/plain; charset=utf-8", "", {"Location": target})
    title = html.escape(profile.title)
    stack, image = html.escape(service.stack), html.escape(service.spec.image)
    body = (
        '<!doctype html>\n<html lang="en">\n'
        f'<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n'
        f"<p>This is {title} as the sandbox plays it: stack {stack}, image {image}.</p>\n"
        "</body>\n</html>\n"
    )
    return ProxyResponse(200, "text/html; charset=utf-8", body)
