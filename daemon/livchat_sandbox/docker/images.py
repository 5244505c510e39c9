"""Families of images: how long each takes to pull and to boot, and the database that it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Demand:
    """A PostgreSQL database that a container logs in to."""

    host: str
    name: str
    user: str
    password: str


Environment = Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """What containers of an image have in common; times are in simulated seconds."""

    name: str
    title: str
    pull: float = 8.0
    boot: float = 2.0
    demand: Callable[[Environment], Demand | None] | None = None
    leads: Mapping[str, str] = field(default_factory=dict)
    """Where a path sends its visitor on to."""


def _from_url(url: str) -> Demand | None:
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres") or not parts.hostname:
        return None
    return Demand(
        parts.hostname,
        unquote(parts.path.lstrip("/")),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _n8n(env: Environment) -> Demand | None:
    if env.get("DB_TYPE", "sqlite") != "postgresdb":
        return None
    return Demand(
        env.get("DB_POSTGRESDB_HOST", "localhost"),
        env.get("DB_POSTGRESDB_DATABASE", "n8n"),
        env.get("DB_POSTGRESDB_USER", "postgres"),
        env.get("DB_POSTGRESDB_PASSWORD", ""),
    )


def _chatwoot(env: Environment) -> Demand | None:
    if url := env.get("DATABASE_URL"):
        return _from_url(url)
    return Demand(
        env.get("POSTGRES_HOST", "localhost"),
        env.get("POSTGRES_DATABASE", "chatwoot_production"),
        env.get("POSTGRES_USERNAME", "postgres"),
        env.get("POSTGRES_PASSWORD", ""),
    )


def _evolution(env: Environment) -> Demand | None:
    return _from_url(env.get("DATABASE_CONNECTION_URI") or env.get("DATABASE_URL", ""))


_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"(^|/)traefik$", Family("traefik", "Traefik", pull=3, boot=1)),
    (r"(^|/)portainer(-ce|-ee)?$", Family("portainer", "Portainer", pull=4, boot=2)),
    (r"(^|/)(pgvector|postgres|postgresql)$", Family("postgres", "PostgreSQL", pull=6, boot=2)),
    (r"(^|/)(redis|valkey)$", Family("redis", "Redis", pull=2, boot=1)),
    (r"(^|/)n8n$", Family("n8n", "n8n", pull=14, boot=6, demand=_n8n)),
    (r"(^|/)chatwoot$", Family("chatwoot", "Chatwoot", boot=8, demand=_chatwoot)),
    (r"(^|/)uptime-kuma$", Family("uptime-kuma", "Uptime Kuma", leads={"/": "/dashboard"})),
    (
        r"(^|/)evolution-api$",
        Family("evolution-api", "Evolution API", boot=4, demand=_evolution),
    ),
)


def repository(image: str) -> str:
    """An image's name without digest and tag."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


def family(image: str) -> Family:
    """The family of an image; one of its own for an image that is not special."""
    name = repository(image)
    for pattern, found in _FAMILIES:
        if re.search(pattern, name):
            return found
    last = name.rsplit("/", 1)[-1]
    return Family(last, last.replace("-", " ").title())


def missing(image: str) -> bool:
    """Whether no registry has this image: tag `does-not-exist`, or a host under `invalid`."""
    host = image.partition("/")[0].partition(":")[0]
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag == "does-not-exist" or host == "invalid" or host.endswith(".invalid")
