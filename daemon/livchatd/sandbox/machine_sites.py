"""What a browser sees on a machine: Traefik's routing by labels, and a page for each app."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livchatd.sandbox.docker_families import family

if TYPE_CHECKING:
    from livchatd.sandbox.docker_engine import Engine
    from livchatd.sandbox.docker_state import Service

_RULE = re.compile(r"^traefik\.http\.routers\.([^.]+)\.rule$")
_HEALTH = {"/healthz", "/health", "/healthz/readiness", "/api/health", "/ping"}


@dataclass(frozen=True)
class Site:
    """An answer over HTTP."""

    status: int
    content_type: str
    body: str


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


def _routes(services: list[Service]) -> list[tuple[str, Service]]:
    return [
        (rule, service)
        for service in services
        if service.spec.labels.get("traefik.enable") == "true"
        for label, rule in service.spec.labels.items()
        if _RULE.match(label)
    ]


def site(engine: Engine, host: str, path: str) -> Site | None:
    """What Traefik answers; None where it has no router, or does not run itself.

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
        (rule, each)
        for rule, each in _routes(services)
        if _matches(rule, host.lower().partition(":")[0], path)
        and any(task.state == "running" for task in engine.tasks(each))
    ]
    if not routed:
        return None
    service = max(routed, key=lambda route: len(route[0]))[1]
    if not any(set(service.spec.networks) & set(proxy.spec.networks) for proxy in proxies):
        return Site(504, "text/plain; charset=utf-8", "Gateway Timeout")
    if not engine.serving(service):
        return Site(502, "text/plain; charset=utf-8", "Bad Gateway")
    return _page(service, path)


def _page(service: Service, path: str) -> Site:
    if path.rstrip("/") in _HEALTH:
        return Site(200, "application/json; charset=utf-8", json.dumps({"status": "ok"}))
    title = html.escape(family(service.spec.image).title)
    stack, image = html.escape(service.stack), html.escape(service.spec.image)
    body = (
        '<!doctype html>\n<html lang="en">\n'
        f'<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n'
        f"<p>This is {title} as the sandbox plays it: stack {stack}, image {image}.</p>\n"
        "</body>\n</html>\n"
    )
    return Site(200, "text/html; charset=utf-8", body)
