"""A machine of the user's own, added: its name reserved, a login made, its host key pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livchat.errors import (
    CommandFailed,
    Conflict,
    HostKeyChanged,
    LivChatError,
    ProviderError,
    ProviderUnavailable,
)
from livchat.job_state import JobStatus
from livchat.messages import RECORD_SERVER, RESERVE_NAME
from livchat.wire.servers import ServerStatus
from livchatd.access import public_line
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import AddServerParams
from livchatd.storage.database import now
from livchatd.storage.inventory import Inventory, ServerRecord, fingerprint
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import ssh_client_key

_FINAL = (HostKeyChanged, CommandFailed)
"""Errors that waiting for our key to be let in does not change."""


@dataclass(frozen=True)
class AddServerStep(Step[JobFacts]):
    """A step of adding a machine of the user's own."""

    params: AddServerParams
    inventory: Inventory


@dataclass(frozen=True)
class ReserveOwnServerName(AddServerStep):
    """Puts the machine into the inventory. `Conflict` if another server has the name by now.

    The undo frees the name. Its key stays in the vault, so that a retry has it.
    """

    shells: Shells
    title = RESERVE_NAME()
    expected_seconds = 0.05

    async def check(self, context: StepContext[JobFacts]) -> bool:
        params, record = self.params, self.inventory.find(self.params.name)
        if record is not None and (record.provider, record.ssh_host) != (
            params.provider,
            params.host,
        ):
            raise Conflict(
                f"there is another server '{params.name}' by now",
                hint=f"livchat server show {params.name}",
                details={"server": params.name},
            )
        return record is not None and record.status is not ServerStatus.CREATING

    async def apply(self, context: StepContext[JobFacts]) -> None:
        # A daemon that was killed, or a retry, may find it gone.
        await self.inventory.add_server(pending_record(self.params, now()))

    async def undo(self, context: StepContext[JobFacts]) -> None:
        await self.shells.drop(self.params.name)
        await self.inventory.remove_server(self.params.name)


@dataclass(frozen=True)
class LogIn(AddServerStep):
    """Logs in and becomes root. Where the key is ours, the user has a while to let it in.

    Raises `HostKeyChanged`, `ProviderUnavailable` where nothing answers, and `ProviderError` where
    the login or becoming root is refused, each with what to do about it.
    """

    vault: Vault
    shells: Shells
    title = "Log in over SSH"
    expected_seconds = 1.0
    deadline = 1_200.0
    min_attempts = 3
    retry_for = 0.0  # a person waits who may have mistyped the host
    key_within = 900.0
    """Seconds that the user has to let our key in."""

    async def apply(self, context: StepContext[JobFacts]) -> None:
        line = await self._public_line()
        if self.params.public_key:
            context.log(
                f"to let LivChat in, add this line to ~/.ssh/authorized_keys of "
                f"{self.params.user} on the machine within {self.key_within / 60:g} minutes: "
                f"{self.params.public_key}",
                "warning",
            )
        last: LivChatError | None = None
        # Not often: a server may shut out for a while who fails to log in again and again.
        async for _ in context.poll(self.key_within, first=3.0, most=15.0):
            try:
                await self._try()
            except (ProviderError, ProviderUnavailable) as error:
                waiting = last is not None or type(error) is ProviderError
                last = error
                if not (self.params.public_key and waiting) or isinstance(error, _FINAL):
                    break
            else:
                self._note_host_key(context)
                return
        raise _explained(last or ProviderError("our key is not let in"), self.params, line)

    async def _public_line(self) -> str:
        hint = f"livchat server add {self.params.name} --host {self.params.host}"
        private = await self.vault.require(ssh_client_key(self.params.name), hint=hint)
        return public_line(private.get_secret_value())

    async def _try(self) -> None:
        """Log in and become root; `CommandFailed` where that is not allowed."""
        shell = await self.shells.on(self.params.name)
        await shell.run("true", timeout=20)

    def _note_host_key(self, context: StepContext[JobFacts]) -> None:
        pinned = self.inventory.server(self.params.name).host_key_fingerprint or ""
        how = "as given" if self.params.host_key else "trusted at first use"
        context.facts.found = {**context.facts.found, "host_key": pinned}
        context.log(f"host key: {pinned}, {how}; from now on no other is accepted")


class RecordAddedServer(AddServerStep):
    """Records that the server runs, and which operating system it has."""

    title = RECORD_SERVER()
    expected_seconds = 0.05

    async def check(self, context: StepContext[JobFacts]) -> bool:
        record = self.inventory.server(self.params.name)
        return record.status is not ServerStatus.CREATING

    async def apply(self, context: StepContext[JobFacts]) -> None:
        await self.inventory.change_server(
            self.params.name,
            status=ServerStatus.RUNNING,
            image=context.facts.found.get("system"),
        )


def pending_record(params: AddServerParams, created_at: str) -> ServerRecord:
    """Return the record that takes a machine's name, `creating` until the machine is recorded."""
    line = params.host_key if params.host_key and " " in params.host_key else None
    return ServerRecord(
        name=params.name,
        provider=params.provider,
        status=ServerStatus.CREATING,
        created_at=created_at,
        ip_address=params.ip_address,
        ssh_host=params.host,
        ssh_port=params.port,
        ssh_user=params.user,
        host_key=line,
        host_key_fingerprint=fingerprint(line) if line else params.host_key,
        public_key=params.public_key,
    )


async def end_failed_addition(
    inventory: Inventory, vault: Vault, shells: Shells, name: str, status: JobStatus
) -> None:
    """Put things right after a machine was not added: its name becomes free.

    After a cancel its key goes too; after a failure it stays for a retry.
    """
    record = inventory.find(name)
    await shells.drop(name)
    if record is not None and record.status is ServerStatus.CREATING:
        await inventory.remove_server(name)
    if status is JobStatus.CANCELLED and inventory.find(name) is None:
        await vault.delete(ssh_client_key(name))


def addition_result(params: AddServerParams, facts: JobFacts) -> dict[str, Any]:
    """Return the machine as the job's result has it, with all that was found on it."""
    server = {"name": params.name, "provider": params.provider, "ip_address": params.ip_address}
    return {"server": server, **facts.found}


def _explained(error: LivChatError, params: AddServerParams, line: str) -> LivChatError:
    """Return the error with what to do about it."""
    if isinstance(error, HostKeyChanged):
        given = "the one that was given" if params.host_key else "the one that it showed first"
        return HostKeyChanged(
            f"'{params.name}' ({params.host}:{params.port}) shows another host key than {given}",
            hint="ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, on the machine, shows its own",
        )
    if isinstance(error, ProviderUnavailable):
        where = f"-p {params.port} {params.user}@{params.host}"
        return ProviderUnavailable(error.message, hint=f"does it answer you? ssh {where} true")
    if type(error) is ProviderError:
        return ProviderError(
            error.message,
            hint=f"add this line to ~/.ssh/authorized_keys of {params.user} there: {line}",
        )
    if isinstance(error, CommandFailed) and params.user != "root":
        return ProviderError(
            f"{params.user} may not become root without a password on '{params.name}': "
            f"{error.message}",
            hint=f"echo '{params.user} ALL=(ALL) NOPASSWD:ALL' | sudo tee "
            "/etc/sudoers.d/livchat, on the machine",
        )
    return error
