"""A machine of the user's own joins: its name taken, the login made, its host key pinned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import (
    CommandFailed,
    Conflict,
    HostKeyChanged,
    LivChatError,
    ProviderError,
    ProviderUnavailable,
)
from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.params import AddServerOrder
from livchatd.storage.database import now
from livchatd.storage.inventory import ServerRecord
from livchatd.storage.key_pairs import fingerprint, public_line
from livchatd.storage.vault_keys import client_key

_FINAL = (HostKeyChanged, CommandFailed)
"""What waiting for a key to be let in does not change."""


@dataclass(frozen=True, kw_only=True)
class JoiningStep(Step[Ledger]):
    """A step of adding a machine."""

    tools: Tools
    order: AddServerOrder
    usually: ClassVar[float] = 0.05


class TakeName(JoiningStep):
    @property
    def title(self) -> str:
        return "Reserve the name"

    async def check(self, run: Run[Ledger]) -> bool:
        record, order = self.tools.inventory.find(self.order.name), self.order
        if record is not None and (record.provider, record.ssh_host) != (
            order.provider,
            order.host,
        ):
            raise Conflict(
                f"there is another server '{order.name}' by now",
                hint=f"livchat server show {order.name}",
                details={"server": order.name},
            )
        return record is not None and record.status is not ServerStatus.CREATING

    async def apply(self, run: Run[Ledger]) -> None:
        # A daemon that was killed, or a retry, may find it gone.
        await self.tools.inventory.add_server(joining(self.order, now()))

    async def undo(self, run: Run[Ledger]) -> None:
        await forget(self.tools, self.order.name)


class LogIn(JoiningStep):
    """Where the key is ours, the user has a while to let it in."""

    usually: ClassVar[float] = 1.0
    deadline: ClassVar[float] = 1_200.0
    attempts: ClassVar[int] = 3
    outage: ClassVar[float] = 0.0  # a person waits who may have mistyped the host
    patience: ClassVar[float] = 900.0

    @property
    def title(self) -> str:
        return "Log in over SSH"

    async def apply(self, run: Run[Ledger]) -> None:
        line = await self._line()
        if self.order.public_key:
            run.log(
                f"to let LivChat in, add this line to ~/.ssh/authorized_keys of "
                f"{self.order.user} on the machine within {self.patience / 60:g} minutes: "
                f"{self.order.public_key}",
                "warning",
            )
        last: LivChatError | None = None
        # Not often: a server may shut out for a while who fails to log in again and again.
        async for _ in self.tools.looks(self.patience, first=3.0, most=15.0):
            try:
                await self._try()
            except (ProviderError, ProviderUnavailable) as error:
                waiting = last is not None or type(error) is ProviderError
                last = error
                if not (self.order.public_key and waiting) or isinstance(error, _FINAL):
                    break
            else:
                self._tell(run)
                return
        raise _explained(last or ProviderError("our key is not let in"), self.order, line)

    async def _line(self) -> str:
        hint = f"livchat server add {self.order.name} --host {self.order.host}"
        private = await self.tools.vault.require(client_key(self.order.name), hint=hint)
        return public_line(private.get_secret_value())

    async def _try(self) -> None:
        """Log in and become root; `CommandFailed` where that is not allowed."""
        shell = await self.tools.shell(self.order.name)
        await shell.run("true", timeout=20)

    def _tell(self, run: Run[Ledger]) -> None:
        pinned = self.tools.inventory.server(self.order.name).host_key_fingerprint or ""
        how = "as given" if self.order.host_key else "trusted at first use"
        run.learnt.found = {**run.learnt.found, "host_key": pinned}
        run.log(f"host key: {pinned}, {how}; from now on no other is accepted")


class RecordMachine(JoiningStep):
    @property
    def title(self) -> str:
        return "Record the server"

    async def check(self, run: Run[Ledger]) -> bool:
        record = self.tools.inventory.server(self.order.name)
        return record.status is not ServerStatus.CREATING

    async def apply(self, run: Run[Ledger]) -> None:
        await self.tools.inventory.change_server(
            self.order.name,
            status=ServerStatus.RUNNING.value,
            image=run.learnt.found.get("system"),
        )


def joining(order: AddServerOrder, created_at: str) -> ServerRecord:
    """The record that takes a machine's name. A host key is a whole line or its fingerprint."""
    line = order.host_key if order.host_key and " " in order.host_key else None
    return ServerRecord(
        name=order.name,
        provider=order.provider,
        status=ServerStatus.CREATING,
        created_at=created_at,
        ip_address=order.ip_address,
        ssh_host=order.host,
        ssh_port=order.port,
        ssh_user=order.user,
        host_key=line,
        host_key_fingerprint=fingerprint(line) if line else order.host_key,
        public_key=order.public_key,
    )


async def forget(tools: Tools, name: str) -> None:
    """Free the name of a machine that did not join. Its key stays, so that a retry has it."""
    record = tools.inventory.find(name)
    await tools.shells.drop(name)
    if record is not None and record.status is ServerStatus.CREATING:
        await tools.inventory.remove_server(name)


def _explained(error: LivChatError, order: AddServerOrder, line: str) -> LivChatError:
    """The error with what to do about it."""
    if isinstance(error, HostKeyChanged):
        given = "the one that was given" if order.host_key else "the one that it showed first"
        return HostKeyChanged(
            f"'{order.name}' ({order.host}:{order.port}) shows another host key than {given}",
            hint="ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, on the machine, shows its own",
        )
    if isinstance(error, ProviderUnavailable):
        where = f"-p {order.port} {order.user}@{order.host}"
        return ProviderUnavailable(error.message, hint=f"does it answer you? ssh {where} true")
    if type(error) is ProviderError:
        return ProviderError(
            error.message,
            hint=f"add this line to ~/.ssh/authorized_keys of {order.user} there: {line}",
        )
    if isinstance(error, CommandFailed) and order.user != "root":
        return ProviderError(
            f"{order.user} may not become root without a password on '{order.name}': "
            f"{error.message}",
            hint=f"echo '{order.user} ALL=(ALL) NOPASSWD:ALL' | sudo tee "
            "/etc/sudoers.d/livchat, on the machine",
        )
    return error
