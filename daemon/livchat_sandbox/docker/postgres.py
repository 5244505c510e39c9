"""The data of a PostgreSQL server: roles and databases; the field names are keys on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SUPERUSER = "postgres"


@dataclass
class Role:
    """A role that may log in; `since` is when its password was set, in seconds since 1970."""

    password: str | None
    since: float


@dataclass
class Database:
    """A database; `public` says whether every role may connect, `granted` names those who may."""

    owner: str
    since: float
    public: bool = True
    granted: list[str] = field(default_factory=list)
    extensions: list[str] = field(default_factory=lambda: ["plpgsql"])


@dataclass
class Cluster:
    """All data of one PostgreSQL server, which lives as long as its volume."""

    roles: dict[str, Role] = field(default_factory=dict)
    databases: dict[str, Database] = field(default_factory=dict)

    @classmethod
    def initialized(cls, now: float) -> Cluster:
        """Return a cluster as initdb makes it at a moment."""
        names = ("postgres", "template1", "template0")
        databases = {name: Database(SUPERUSER, now) for name in names}
        return cls({SUPERUSER: Role(None, now)}, databases)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Cluster:
        """Return a cluster from its dump."""
        return cls(
            {name: Role(**role) for name, role in dumped["roles"].items()},
            {name: Database(**database) for name, database in dumped["databases"].items()},
        )

    def dump(self) -> dict[str, Any]:
        """Return the cluster as JSON data."""
        return asdict(self)

    def check_login(self, user: str, password: str, name: str) -> tuple[float, str | None]:
        """Return since when a login works, and PostgreSQL's error if it does not."""
        role = self.roles.get(user)
        if role is None or role.password != password:
            return 0.0, f'password authentication failed for user "{user}"'
        database = self.databases.get(name)
        if database is None:
            return 0.0, f'database "{name}" does not exist'
        if not (database.public or user == database.owner or user in database.granted):
            return 0.0, f'permission denied for database "{name}"'
        return max(role.since, database.since), None
