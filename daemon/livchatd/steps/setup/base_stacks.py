"""The two stacks under all apps: Traefik, which answers the world, and Portainer, behind SSH."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import ClassVar

from livchat.errors import ProviderError, ProviderUnavailable
from livchat.wire.servers import Challenge
from livchatd.catalog.base_stacks import portainer_stack, traefik_stack
from livchatd.catalog.generate_secrets import password
from livchatd.catalog.render_types import Rendered
from livchatd.jobs.step import Run
from livchatd.steps.apps.stack_resources import (
    create_secrets,
    has_secret,
    remove_secrets,
    remove_volumes,
)
from livchatd.steps.apps.stack_watch import Watch
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.setup.docker_compat import deploy_stack, remove_stack
from livchatd.steps.setup.system import SystemStep
from livchatd.storage.vault_keys import certificate_token


def portainer_password(server: str) -> str:
    """Where the vault keeps the password of a server's Portainer."""
    return f"portainer/{server}"


class DeployBase(SystemStep):
    """A stack that Portainer cannot bring up, since it is under Portainer."""

    stack: ClassVar[str]
    deadline: ClassVar[float] = 1_200.0

    async def check(self, run: Run[Ledger]) -> bool:
        rendered = await self.rendered()
        shell = await self.tools.shell(self.order.name)
        if await shell.read(self._place) != rendered.compose:
            return False
        if not all([await has_secret(shell, name) for name in rendered.docker_secrets]):
            return False
        watch = Watch(self.tools, self.order.name, self.stack)
        return await watch.is_up(rendered.waves[-1].services)

    async def apply(self, run: Run[Ledger]) -> None:
        rendered = await self.rendered()
        shell = await self.tools.shell(self.order.name)
        watch = await Watch.begin(self.tools, self.order.name, self.stack)
        if not watch.before:
            await make_note(run, f"stack {self.stack}")
        await create_secrets(shell, rendered.docker_secrets)
        run.log(await deploy_stack(shell, self.stack, rendered.compose))
        wave = rendered.waves[-1]
        await watch.until_up(run, wave.services, wave.jobs, max(wave.timeout, 600))
        # A value that was replaced must not stay readable; none of the swarm uses it any more.
        old = _secrets_of(await shell.read(self._place)) - rendered.docker_secrets.keys()
        await remove_secrets(shell, sorted(old))
        # What was deployed last, for the next look: Docker does not give the file back.
        await shell.write(self._place, rendered.compose, "0600")

    async def undo(self, run: Run[Ledger]) -> None:
        if f"stack {self.stack}" not in run.learnt.made:
            return
        rendered = await self.rendered()
        shell = await self.tools.shell(self.order.name)
        await remove_stack(shell, self.stack)
        await remove_volumes(self.tools, shell, self.stack)
        await remove_secrets(shell, rendered.docker_secrets)
        await shell.run("rm", "-f", self._place)

    def leaves(self, run: Run[Ledger]) -> list[str]:
        made = f"stack {self.stack}"
        return [f"{made} on {self.order.name}"] if made in run.learnt.made else []

    async def rendered(self) -> Rendered:
        """The stack for this server."""
        raise NotImplementedError

    @property
    def _place(self) -> str:
        return f"/var/lib/livchat/stacks/{self.stack}.yml"


class DeployTraefik(DeployBase):
    stack: ClassVar[str] = "traefik"
    usually: ClassVar[float] = 8.0

    @property
    def title(self) -> str:
        return "Deploy Traefik"

    async def rendered(self) -> Rendered:
        order = self.order
        domain = ".".join(part for part in (order.subdomain, order.zone_name) if part)
        token = None
        if order.challenge is Challenge.DNS:
            kept = await self.tools.vault.require(
                certificate_token(order.zone_name),
                hint=f"livchat config certificates {order.zone_name}",
            )
            token = kept.get_secret_value()
        return await asyncio.to_thread(
            traefik_stack,
            self.tools.catalog,
            order.ssl_email,
            domain,
            "dns" if token else "http",
            cloudflare_token=token,
        )


class DeployPortainer(DeployBase):
    stack: ClassVar[str] = "portainer"
    usually: ClassVar[float] = 10.0

    @property
    def title(self) -> str:
        return "Deploy Portainer"

    async def rendered(self) -> Rendered:
        key = portainer_password(self.order.name)
        kept = await self.tools.vault.get_or_make(key, partial(password, 32))
        return await asyncio.to_thread(portainer_stack, self.tools.catalog, kept.get_secret_value())


class AwaitPortainer(SystemStep):
    usually: ClassVar[float] = 2.0
    within: ClassVar[float] = 180.0

    @property
    def title(self) -> str:
        return "Wait for Portainer"

    async def apply(self, run: Run[Ledger]) -> None:
        portainer = self.tools.portainer(self.order.name)
        async for _ in self.tools.looks(self.within):
            try:
                if await portainer.ready():
                    endpoint = await portainer.endpoint()
                    run.log(f"Portainer answers; the swarm is its environment {endpoint}")
                    return
            except ProviderUnavailable as error:
                run.log(f"not yet: {error.message}", "debug")
        raise ProviderError(
            f"Portainer runs, but it does not answer after {self.within:g} s",
            hint=f"livchat server setup {self.order.name}",
        )


def _secrets_of(compose: str | None) -> set[str]:
    """The Docker secrets that a stack which was deployed before is given."""
    import yaml  # noqa: PLC0415 - not at the daemon's start

    document = yaml.safe_load(compose or "") or {}
    return {str(secret["name"]) for secret in (document.get("secrets") or {}).values()}
