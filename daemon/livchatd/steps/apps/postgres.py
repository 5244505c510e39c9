"""Databases in a server's PostgreSQL, by psql inside its container; statements travel by stdin."""

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
    """One PostgreSQL, spoken to as its superuser. Names are ours; passwords are quoted."""

    shell: Shell
    container: str

    @classmethod
    async def of(cls, shell: Shell, database: Database) -> Postgres:
        """The PostgreSQL that holds a database; `ProviderUnavailable` if it does not run now."""
        return cls(shell, await container(shell, binding_host(database.app, None, "postgres")))

    async def has_role(self, name: str) -> bool:
        """Whether there is such a role."""
        ask = f"SELECT 1 FROM pg_roles WHERE rolname = {literal(name)};"  # noqa: S608 - it is quoted
        return bool(await self.ask(ask))

    async def has_database(self, name: str) -> bool:
        """Whether there is such a database."""
        ask = f"SELECT 1 FROM pg_database WHERE datname = {literal(name)};"  # noqa: S608 - as above
        return bool(await self.ask(ask))

    async def has(self, name: str) -> bool:
        """Whether there are both a role and a database of this name."""
        return await self.has_role(name) and await self.has_database(name)

    async def put(self, database: Database, password: str) -> None:
        """Make role, database and extensions so; what is there stays, the password is set again."""
        name = database.name
        verb = "ALTER" if await self.has_role(name) else "CREATE"
        await self.ask(f"{verb} ROLE {identifier(name)} LOGIN PASSWORD {literal(password)};")
        if not await self.has_database(name):
            await self.ask(f"CREATE DATABASE {identifier(name)} OWNER {identifier(name)};")
        await self.ask(f"REVOKE CONNECT ON DATABASE {identifier(name)} FROM PUBLIC;")
        if database.extensions:
            # By the superuser, so that the app's role need not be one.
            made = (f"CREATE EXTENSION IF NOT EXISTS {identifier(e)};" for e in database.extensions)
            await self.ask("\n".join(made), name)

    async def drop(self, name: str) -> None:
        """Drop a database and its role; gone already is fine."""
        if await self.has_database(name):
            await self.ask(f"DROP DATABASE IF EXISTS {identifier(name)};")
        if await self.has_role(name):
            await self.ask(f"DROP ROLE IF EXISTS {identifier(name)};")

    async def ask(self, statements: str, database: str = "postgres") -> str:
        """What psql prints; `ProviderUnavailable` while the server starts or is in use."""
        told = await self.shell.run(
            *("docker", "exec", "-i", self.container, *_PSQL, "-d", database),
            stdin=statements + "\n",
            check=False,
        )
        if told.exit_code == 0:
            return told.stdout.strip()
        # Only the reason: the lines after it may repeat the statement, with its password.
        lines = [line for line in told.stderr.splitlines() if "ERROR:" in line or "FATAL:" in line]
        reason = (lines or told.stderr.strip().splitlines() or ["no reason given"])[0]
        if any(words in told.stderr for words in (*_STARTING, "being accessed by other users")):
            raise ProviderUnavailable(f"PostgreSQL is not ready for this: {reason}")
        raise CommandFailed(f"PostgreSQL refused: {reason}")


def identifier(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text as SQL takes it."""
    return "'" + value.replace("'", "''") + "'"
