"""psql on a simulated PostgreSQL server: the statements that LivChat sends, and their errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from livchat_sandbox.docker.postgres import SUPERUSER, Cluster, Database, Role

_NAME_PATTERN = r'("(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_TEXT_PATTERN = r"'((?:[^']|'')*)'"
_VERSION = "PostgreSQL 17.6 (Debian 17.6-1.pgdg12+1) on x86_64-pc-linux-gnu, 64-bit\n"


class SqlError(Exception):
    """PostgreSQL refuses a statement, in these words."""


@dataclass(frozen=True)
class _Session:
    """Statements that are run one after the other in one database, at one moment."""

    cluster: Cluster
    database: str
    now: float

    def find_database(self, name: str) -> Database:
        database = self.cluster.databases.get(name)
        if database is None:
            raise SqlError(f'database "{name}" does not exist')
        return database

    def find_role(self, name: str) -> Role:
        role = self.cluster.roles.get(name)
        if role is None:
            raise SqlError(f'role "{name}" does not exist')
        return role


def _unquoted_name(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _unquoted_text(quoted: str) -> str:
    return quoted.replace("''", "'")


def _one_row(condition: object) -> str:
    return "1\n" if condition else ""


def _create_role(session: _Session, match: re.Match[str]) -> str:
    name, password = _unquoted_name(match[1]), match[2]
    if name in session.cluster.roles:
        raise SqlError(f'role "{name}" already exists')
    secret = None if password is None else _unquoted_text(password)
    session.cluster.roles[name] = Role(secret, session.now)
    return ""


def _alter_role(session: _Session, match: re.Match[str]) -> str:
    role, password = session.find_role(_unquoted_name(match[1])), _unquoted_text(match[2])
    if role.password != password:
        role.password, role.since = password, session.now
    return ""


def _create_database(session: _Session, match: re.Match[str]) -> str:
    name, owner = _unquoted_name(match[1]), _unquoted_name(match[2]) if match[2] else SUPERUSER
    session.find_role(owner)
    if name in session.cluster.databases:
        raise SqlError(f'database "{name}" already exists')
    session.cluster.databases[name] = Database(owner, session.now)
    return ""


def _alter_owner(session: _Session, match: re.Match[str]) -> str:
    owner = _unquoted_name(match[2])
    session.find_role(owner)
    session.find_database(_unquoted_name(match[1])).owner = owner
    return ""


def _revoke(session: _Session, match: re.Match[str]) -> str:
    session.find_database(_unquoted_name(match[1])).public = False
    return ""


def _grant(session: _Session, match: re.Match[str]) -> str:
    role = _unquoted_name(match[2])
    session.find_role(role)
    session.find_database(_unquoted_name(match[1])).granted.append(role)
    return ""


def _grant_schema(session: _Session, match: re.Match[str]) -> str:
    session.find_role(_unquoted_name(match[1]))
    return ""


def _create_extension(session: _Session, match: re.Match[str]) -> str:
    extensions, name = session.find_database(session.database).extensions, _unquoted_name(match[2])
    if name in extensions:
        if not match[1]:
            raise SqlError(f'extension "{name}" already exists')
        return ""
    extensions.append(name)
    return ""


def _drop_database(session: _Session, match: re.Match[str]) -> str:
    name = _unquoted_name(match[2])
    if name == session.database:
        raise SqlError("cannot drop the currently open database")
    if session.cluster.databases.pop(name, None) is None and not match[1]:
        raise SqlError(f'database "{name}" does not exist')
    return ""


def _drop_role(session: _Session, match: re.Match[str]) -> str:
    name = _unquoted_name(match[2])
    if any(database.owner == name for database in session.cluster.databases.values()):
        raise SqlError(f'role "{name}" cannot be dropped because some objects depend on it')
    if session.cluster.roles.pop(name, None) is None and not match[1]:
        raise SqlError(f'role "{name}" does not exist')
    return ""


def _names(session: _Session, match: re.Match[str]) -> str:
    everything = session.cluster.databases if match[1] else session.cluster.roles
    return "".join(f"{name}\n" for name in sorted(everything))


def _owner(session: _Session, match: re.Match[str]) -> str:
    database = session.cluster.databases.get(_unquoted_text(match[1]))
    return f"{database.owner}\n" if database else ""


_Action = Callable[[_Session, re.Match[str]], str]
_STATEMENTS: tuple[tuple[str, _Action], ...] = (
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_roles WHERE rolname = @text",
        lambda session, match: _one_row(_unquoted_text(match[1]) in session.cluster.roles),
    ),
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_database WHERE datname = @text",
        lambda session, match: _one_row(_unquoted_text(match[1]) in session.cluster.databases),
    ),
    (
        r"SELECT 1 FROM (?:pg_catalog\.)?pg_extension WHERE extname = @text",
        lambda session, match: _one_row(
            _unquoted_text(match[1]) in session.find_database(session.database).extensions
        ),
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
    (
        re.compile(
            pattern.replace("@name", _NAME_PATTERN).replace("@text", _TEXT_PATTERN), re.IGNORECASE
        ),
        action,
    )
    for pattern, action in _STATEMENTS
]


def split_statements(text: str) -> list[str]:
    """Return the statements of a script.

    Semicolons in quotes, dollar quotes and comments end no statement.
    """
    tokens = re.compile(
        r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|;|[^'"$;-]+|.""", re.DOTALL
    )
    complete, current = [], ""
    for token in tokens.finditer(text):
        piece = token[0]
        if piece == ";":
            complete.append(current.strip())
            current = ""
        elif not piece.startswith("--"):
            current += piece
    return [statement for statement in [*complete, current.strip()] if statement]


def run_script(cluster: Cluster, database: str, text: str, now: float) -> tuple[str, str, int]:
    """Run a script as `psql -X -q -A -t -v ON_ERROR_STOP=1`; return stdout, stderr and exit status.

    The status is 2 if the database cannot be opened, 3 at the first statement that is refused.
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
    session, output = _Session(cluster, database, now), ""
    for statement in split_statements(text):
        try:
            output += _run_statement(session, statement)
        except SqlError as refusal:
            return output, f"ERROR:  {refusal}\n", 3
    return output, "", 0


def _run_statement(session: _Session, statement: str) -> str:
    spaced = _with_single_spaces(statement)
    for pattern, action in _COMPILED:
        if match := pattern.fullmatch(spaced):
            return action(session, match)
    raise SqlError(f"sandbox: not simulated: {spaced.split()[0].upper()} statement")


def _with_single_spaces(statement: str) -> str:
    pieces = re.split(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""", statement)
    return "".join(
        piece if piece.startswith(("'", '"')) else re.sub(r"\s+", " ", piece) for piece in pieces
    ).strip()
