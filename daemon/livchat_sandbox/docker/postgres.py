"""A PostgreSQL cluster as psql shows it: roles, databases, and the statements that are sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

_NAME = r'("(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_TEXT = r"'((?:[^']|'')*)'"
_SUPERUSER = "postgres"
_VERSION = "PostgreSQL 17.6 (Debian 17.6-1.pgdg12+1) on x86_64-pc-linux-gnu, 64-bit\n"


@dataclass
class Role:
    """A role that may log in; `since` is when its password became what it is."""

    password: str | None
    since: float


@dataclass
class Database:
    """A database; `public` says whether everybody may connect."""

    owner: str
    since: float
    public: bool = True
    granted: list[str] = field(default_factory=list)
    extensions: list[str] = field(default_factory=lambda: ["plpgsql"])


@dataclass
class Cluster:
    """The data of one PostgreSQL server; it lives as long as its volume."""

    roles: dict[str, Role] = field(default_factory=dict)
    databases: dict[str, Database] = field(default_factory=dict)

    @classmethod
    def fresh(cls, now: float) -> Cluster:
        """What initdb makes."""
        made = {name: Database(_SUPERUSER, now) for name in ("postgres", "template1", "template0")}
        return cls({_SUPERUSER: Role(None, now)}, made)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Cluster:
        """A cluster from its dump."""
        return cls(
            {name: Role(**role) for name, role in dumped["roles"].items()},
            {name: Database(**database) for name, database in dumped["databases"].items()},
        )

    def dump(self) -> dict[str, Any]:
        """The cluster as JSON."""
        return asdict(self)

    def admits(self, user: str, password: str, name: str) -> tuple[float, str | None]:
        """Since when this login works, and PostgreSQL's words where it does not."""
        role = self.roles.get(user)
        if role is None or role.password != password:
            return 0.0, f'password authentication failed for user "{user}"'
        database = self.databases.get(name)
        if database is None:
            return 0.0, f'database "{name}" does not exist'
        if not (database.public or user == database.owner or user in database.granted):
            return 0.0, f'permission denied for database "{name}"'
        return max(role.since, database.since), None


class SqlError(Exception):
    """What PostgreSQL answers to a statement that it refuses."""


@dataclass(frozen=True)
class _Session:
    cluster: Cluster
    database: str
    now: float

    def known(self, name: str) -> Database:
        found = self.cluster.databases.get(name)
        if found is None:
            raise SqlError(f'database "{name}" does not exist')
        return found

    def role(self, name: str) -> Role:
        found = self.cluster.roles.get(name)
        if found is None:
            raise SqlError(f'role "{name}" does not exist')
        return found


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _text(quoted: str) -> str:
    return quoted.replace("''", "'")


def _rows(found: object) -> str:
    return "1\n" if found else ""


def _create_role(session: _Session, match: re.Match[str]) -> str:
    name, password = _plain(match[1]), match[2]
    if name in session.cluster.roles:
        raise SqlError(f'role "{name}" already exists')
    secret = None if password is None else _text(password)
    session.cluster.roles[name] = Role(secret, session.now)
    return ""


def _alter_role(session: _Session, match: re.Match[str]) -> str:
    role, password = session.role(_plain(match[1])), _text(match[2])
    if role.password != password:
        role.password, role.since = password, session.now
    return ""


def _create_database(session: _Session, match: re.Match[str]) -> str:
    name, owner = _plain(match[1]), _plain(match[2]) if match[2] else _SUPERUSER
    session.role(owner)
    if name in session.cluster.databases:
        raise SqlError(f'database "{name}" already exists')
    session.cluster.databases[name] = Database(owner, session.now)
    return ""


def _alter_owner(session: _Session, match: re.Match[str]) -> str:
    owner = _plain(match[2])
    session.role(owner)
    session.known(_plain(match[1])).owner = owner
    return ""


def _revoke(session: _Session, match: re.Match[str]) -> str:
    session.known(_plain(match[1])).public = False
    return ""


def _grant(session: _Session, match: re.Match[str]) -> str:
    role = _plain(match[2])
    session.role(role)
    session.known(_plain(match[1])).granted.append(role)
    return ""


def _grant_schema(session: _Session, match: re.Match[str]) -> str:
    session.role(_plain(match[1]))
    return ""


def _create_extension(session: _Session, match: re.Match[str]) -> str:
    extensions, name = session.known(session.database).extensions, _plain(match[2])
    if name in extensions:
        if not match[1]:
            raise SqlError(f'extension "{name}" already exists')
        return ""
    extensions.append(name)
    return ""


def _drop_database(session: _Session, match: re.Match[str]) -> str:
    name = _plain(match[2])
    if name == session.database:
        raise SqlError("cannot drop the currently open database")
    if session.cluster.databases.pop(name, None) is None and not match[1]:
        raise SqlError(f'database "{name}" does not exist')
    return ""


def _drop_role(session: _Session, match: re.Match[str]) -> str:
    name = _plain(match[2])
    if any(database.owner == name for database in session.cluster.databases.values()):
        raise SqlError(f'role "{name}" cannot be dropped because some objects depend on it')
    if session.cluster.roles.pop(name, None) is None and not match[1]:
        raise SqlError(f'role "{name}" does not exist')
    return ""


def _names(session: _Session, match: re.Match[str]) -> str:
    everything = session.cluster.databases if match[1] else session.cluster.roles
    return "".join(f"{name}\n" for name in sorted(everything))


def _owner(session: _Session, match: re.Match[str]) -> str:
    database = session.cluster.databases.get(_text(match[1]))
    return f"{database.owner}\n" if database else ""


_Act = Callable[[_Session, re.Match[str]], str]
_STATEMENTS: tuple[tuple[str, _Act], ...] = (
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_roles WHERE rolname = @text",
        lambda session, match: _rows(_text(match[1]) in session.cluster.roles),
    ),
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_database WHERE datname = @text",
        lambda session, match: _rows(_text(match[1]) in session.cluster.databases),
    ),
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_extension WHERE extname = @text",
        lambda session, match: _rows(_text(match[1]) in session.known(session.database).extensions),
    ),
    (
        r"CREATE (?:ROLE|USER) @name(?: WITH)?(?: LOGIN)?(?: (?:ENCRYPTED )?PASSWORD @text)?",
        _create_role,
    ),
    (
        r"ALTER (?:ROLE|USER) @name(?: WITH)?(?: LOGIN)? (?:ENCRYPTED )?PASSWORD @text",
        _alter_role,
    ),
    (
        r"CREATE DATABASE @name(?: WITH)?(?: OWNER (?:= )?@name)?(?: ENCODING (?:= )?@text)?",
        _create_database,
    ),
    (r"ALTER DATABASE @name OWNER TO @name", _alter_owner),
    (r"REVOKE (?:CONNECT|ALL(?: PRIVILEGES)?) ON DATABASE @name FROM PUBLIC", _revoke),
    (r"GRANT (?:CONNECT|ALL(?: PRIVILEGES)?) ON DATABASE @name TO @name", _grant),
    (r"GRANT (?:CREATE|USAGE|ALL)(?: PRIVILEGES)? ON SCHEMA public TO @name", _grant_schema),
    (r"CREATE EXTENSION (IF NOT EXISTS )?@name", _create_extension),
    (r"DROP DATABASE (IF EXISTS )?@name(?: (?:WITH )?\(FORCE\))?", _drop_database),
    (r"DROP (?:ROLE|USER) (IF EXISTS )?@name", _drop_role),
    (r"SELECT version\(\)", lambda _session, _match: _VERSION),
    (r"SELECT 1", lambda _session, _match: "1\n"),
    (
        r"SELECT pg_get_userbyid\(datdba\)(?: AS \w+)? FROM pg_database WHERE datname = @text",
        _owner,
    ),
    (r"SELECT (?:(datname)|rolname) FROM (?:pg_database|pg_roles)(?: ORDER BY \w+)?", _names),
)
_COMPILED = [
    (re.compile(form.replace("@name", _NAME).replace("@text", _TEXT), re.IGNORECASE), act)
    for form, act in _STATEMENTS
]


def statements(text: str) -> list[str]:
    """A script cut at its semicolons; quotes, dollar quotes and comments are respected."""
    cut = re.compile(
        r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|;|[^'"$;-]+|.""", re.DOTALL
    )
    found, current = [], ""
    for token in cut.finditer(text):
        piece = token[0]
        if piece == ";":
            found.append(current.strip())
            current = ""
        elif not piece.startswith("--"):
            current += piece
    return [statement for statement in [*found, current.strip()] if statement]


def run(cluster: Cluster, database: str, text: str, now: float) -> tuple[str, str, int]:
    """Run a script as `psql -X -q -A -t -v ON_ERROR_STOP=1`: stdout, stderr and exit status.

    The status is 2 where the database cannot be opened, 3 at the first statement that is refused.
    """
    if database not in cluster.databases:
        return (
            "",
            (
                'psql: error: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" '
                f'failed: FATAL:  database "{database}" does not exist\n'
            ),
            2,
        )
    session, printed = _Session(cluster, database, now), ""
    for statement in statements(text):
        try:
            printed += _one(session, statement)
        except SqlError as refusal:
            return printed, f"ERROR:  {refusal}\n", 3
    return printed, "", 0


def _one(session: _Session, statement: str) -> str:
    spaced = _squeeze(statement)
    for pattern, act in _COMPILED:
        if match := pattern.fullmatch(spaced):
            return act(session, match)
    raise SqlError(f"sandbox: not simulated: {spaced.split()[0].upper()} statement")


def _squeeze(statement: str) -> str:
    pieces = re.split(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""", statement)
    return "".join(
        piece if piece.startswith(("'", '"')) else re.sub(r"\s+", " ", piece) for piece in pieces
    ).strip()
