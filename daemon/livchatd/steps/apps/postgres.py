"""Databases of a server's PostgreSQL, by psql in its container; statements travel by stdin."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import CommandFailed, ProviderUnavailable
from livchatd.catalog.render import binding_host
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.steps.apps.stack_inputs import Database
from livchatd.steps.apps.stack_resources import container

_PSQL = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres")
_STARTING = ("starting up", "shutting down", "could not connect", "connection to server")


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL server, as its superuser. Names and values are quoted.

    Every method raises `ProviderUnavailable` while PostgreSQL starts or a database is in use, and
    `CommandFailed` if it refuses a statement.
    """

    shell: Shell
    container: str

    @classmethod
    async def of(cls, shell: Shell, database: Database) -> Postgres:
        """Return the PostgreSQL of a database; `ProviderUnavailable` if it does not run now."""
        return cls(shell, await container(shell, binding_host(database.app, None, "postgres")))

    async def has_role(self, name: str) -> bool:
        """Whether a role exists."""
        query = f"SELECT 1 FROM pg_roles WHERE rolname = {literal(name)};"  # noqa: S608 - it is quoted
        return bool(await self.execute(query))

    async def has_database(self, name: str) -> bool:
        """Whether a database exists."""
        query = f"SELECT 1 FROM pg_database WHERE datname = {literal(name)};"  # noqa: S608 - as above
        return bool(await self.execute(query))

    async def has(self, name: str) -> bool:
        """Whether both a role and a database of this name exist."""
        return await self.has_role(name) and await self.has_database(name)

    async def put(self, database: Database, password: str) -> None:
        """Create role, database and extensions; what exists stays, the password is set again."""
        name = database.name
        verb = "ALTER" if await self.has_role(name) else "CREATE"
        await self.execute(f"{verb} ROLE {identifier(name)} LOGIN PASSWORD {literal(password)};")
        if not await self.has_database(name):
            await self.execute(f"CREATE DATABASE {identifier(name)} OWNER {identifier(name)};")
        await self.execute(f"REVOKE CONNECT ON DATABASE {identifier(name)} FROM PUBLIC;")
        if database.extensions:
            # By the superuser, so that the app's role need not be one.
            created = (
                f"CREATE EXTENSION IF NOT EXISTS {identifier(e)};" for e in database.extensions
            )
            await self.execute("\n".join(created), name)

    async def drop(self, name: str) -> None:
        """Drop a database and its role; what is gone already is fine."""
        if await self.has_database(name):
            await self.execute(f"DROP DATABASE IF EXISTS {identifier(name)};")
        if await self.has_role(name):
            await self.execute(f"DROP ROLE IF EXISTS {identifier(name)};")

    async def execute(self, statements: str, database: str = "postgres") -> str:
        """Run SQL statements in a database; return what psql prints."""
        result = await self.shell.run(
            *("docker", "exec", "-i", self.container, *_PSQL, "-d", database),
            stdin=statements + "\n",
            check=False,
        )
        if result.exit_code == 0:
            return result.stdout.strip()
        # Only the reason: the lines after it may repeat the statement, with its password.
        lines = [
            line for line in result.stderr.splitlines() if "ERROR:" in line or "FATAL:" in line
        ]
        reason = (lines or result.stderr.strip().splitlines() or ["no reason given"])[0]
        if any(text in result.stderr for text in (*_STARTING, "being accessed by other users")):
            raise ProviderUnavailable(f"PostgreSQL is not ready for this: {reason}")
        raise CommandFailed(f"PostgreSQL refused: {reason}")


def identifier(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text quoted for SQL."""
    return "'" + value.replace("'", "''") + "'"
