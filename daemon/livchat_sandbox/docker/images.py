"""Profiles of images: how long they take to pull and to boot, and the database that they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class DatabaseLogin:
    """The login of a container to its PostgreSQL database."""

    host: str
    name: str
    user: str
    password: str


Environment = Mapping[str, str]


@dataclass(frozen=True)
class ImageProfile:
    """What containers of an image have in common; `pull` and `boot` take simulated seconds."""

    name: str
    title: str
    pull: float = 8.0
    boot: float = 2.0
    database_login: Callable[[Environment], DatabaseLogin | None] | None = None
    redirects: Mapping[str, str] = field(default_factory=dict)
    """The location that a path redirects to."""


def _from_url(url: str) -> DatabaseLogin | None:
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres") or not parts.hostname:
        return None
    return DatabaseLogin(
        parts.hostname,
        unquote(parts.path.lstrip("/")),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _n8n(env: Environment) -> DatabaseLogin | None:
    if env.get("DB_TYPE", "sqlite") != "postgresdb":
        return None
    return DatabaseLogin(
        env.get("DB_POSTGRESDB_HOST", "localhost"),
        env.get("DB_POSTGRESDB_DATABASE", "n8n"),
        env.get("DB_POSTGRESDB_USER", "postgres"),
        env.get("DB_POSTGRESDB_PASSWORD", ""),
    )


def _chatwoot(env: Environment) -> DatabaseLogin | None:
    if url := env.get("DATABASE_URL"):
        return _from_url(url)
    return DatabaseLogin(
        env.get("POSTGRES_HOST", "localhost"),
        env.get("POSTGRES_DATABASE", "chatwoot_production"),
        env.get("POSTGRES_USERNAME", "postgres"),
        env.get("POSTGRES_PASSWORD", ""),
    )


def _evolution(env: Environment) -> DatabaseLogin | None:
    return _from_url(env.get("DATABASE_CONNECTION_URI") or env.get("DATABASE_URL", ""))


_PROFILES: tuple[tuple[str, ImageProfile], ...] = (
    (r"(^|/)traefik$", ImageProfile("traefik", "Traefik", pull=3, boot=1)),
    (r"(^|/)portainer(-ce|-ee)?$", ImageProfile("portainer", "Portainer", pull=4, boot=2)),
    (
        r"(^|/)(pgvector|postgres|postgresql)$",
        ImageProfile("postgres", "PostgreSQL", pull=6, boot=2),
    ),
    (r"(^|/)(redis|valkey)$", ImageProfile("redis", "Redis", pull=2, boot=1)),
    (r"(^|/)n8n$", ImageProfile("n8n", "n8n", pull=14, boot=6, database_login=_n8n)),
    (r"(^|/)chatwoot$", ImageProfile("chatwoot", "Chatwoot", boot=8, database_login=_chatwoot)),
    (
        r"(^|/)uptime-kuma$",
        ImageProfile("uptime-kuma", "Uptime Kuma", redirects={"/": "/dashboard"}),
    ),
    (
        r"(^|/)evolution-api$",
        ImageProfile("evolution-api", "Evolution API", boot=4, database_login=_evolution),
    ),
)


def repository(image: str) -> str:
    """Return an image's name without digest and tag."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]


def profile_of(image: str) -> ImageProfile:
    """Return the profile of an image; an image that is not listed has one after its name."""
    name = repository(image)
    for pattern, profile in _PROFILES:
        if re.search(pattern, name):
            return profile
    last = name.rsplit("/", 1)[-1]
    return ImageProfile(last, last.replace("-", " ").title())


def not_in_registry(image: str) -> bool:
    """Whether no registry has an image: tag `does-not-exist`, or a host in `invalid`."""
    host = image.partition("/")[0].partition(":")[0]
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return tag == "does-not-exist" or host == "invalid" or host.endswith(".invalid")
