"""The keys of a server: ours to log in with, and its own by which it is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from livchat.errors import Conflict
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt, make_note
from livchatd.steps.ownership_conflicts import named
from livchatd.steps.params import CreateServerOrder
from livchatd.steps.server.existing import OWN, standing
from livchatd.storage.key_pairs import fingerprint, new_key, public_line
from livchatd.storage.vault_keys import client_key, host_key


@dataclass(frozen=True, kw_only=True)
class MakeKeys(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 0.2

    @property
    def title(self) -> str:
        return "Make keys"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        record = self.tools.inventory.find(self.order.name)
        if record is None or self.order.provider == OWN:
            return record is not None
        if record.host_key is None:
            return False
        return await self.tools.vault.get(client_key(self.order.name)) is not None

    async def apply(self, run: Run[MachineLearnt]) -> None:
        name = self.order.name
        if await self.tools.vault.get(client_key(name)) is None:
            await make_note(run, f"keys {name}")
        for key in (client_key(name), host_key(name)):
            if await self.tools.vault.get(key) is None:
                made = await asyncio.to_thread(new_key)
                await self.tools.vault.get_or_make(key, partial(str, made))
        private = await self.tools.vault.require(host_key(name))
        public = await asyncio.to_thread(public_line, private.get_secret_value())
        # Pinned before the first connection: nobody can stand in for the machine even then.
        await self.tools.inventory.change_server(
            name, host_key=public, host_key_fingerprint=fingerprint(public)
        )

    async def undo(self, run: Run[MachineLearnt]) -> None:
        name = self.order.name
        if f"keys {name}" not in run.learnt.made:
            return
        provider = self.tools.provider(self.order.provider)
        if await provider.find_machine(self.tools.home.labels(name, run.origin)) is None:
            await self.tools.vault.delete_prefix(f"ssh/{name}/")


@dataclass(frozen=True, kw_only=True)
class RegisterKey(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 0.5

    @property
    def title(self) -> str:
        return "Register the SSH key"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        # The key is needed for the moment of the order only.
        return await standing(self.tools, self.order, run)

    async def apply(self, run: Run[MachineLearnt]) -> None:
        name = self.order.name
        private = await self.tools.vault.require(client_key(name))
        public = await asyncio.to_thread(public_line, private.get_secret_value())
        try:
            run.learnt.key_id = await self.tools.provider(self.order.provider).ensure_key(
                f"livchat-{name}", public, self.tools.home.labels(name, run.origin)
            )
        except Conflict as taken:
            raise await named(self.tools, self.order.provider, name, taken) from taken

    async def undo(self, run: Run[MachineLearnt]) -> None:
        provider = self.tools.provider(self.order.provider)
        await provider.delete_key(self.tools.home.labels(self.order.name, run.origin))

    def leaves(self, run: Run[MachineLearnt]) -> list[str]:
        return [f"SSH key livchat-{self.order.name} at {self.order.provider}"]
