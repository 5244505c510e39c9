"""The stacks under all apps: Traefik, which serves the web, and Portainer, reached by SSH only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from livchat.errors import ProviderError, ProviderUnavailable
from livchat.wire.servers import Challenge
from livchatd.catalog.base_stacks import portainer_stack, traefik_stack
from livchatd.catalog.catalog import Catalog
from livchatd.catalog.generate_secrets import password
from livchatd.catalog.render_types import RenderedStack
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.apps.stack_resources import (
    create_secrets,
    has_secret,
    remove_secrets,
    remove_volumes,
)
from livchatd.steps.apps.stack_watch import StackWatch
from livchatd.steps.deps import Portainers
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import SetupServerParams
from livchatd.steps.setup.docker_compat import deploy_stack, remove_stack
from livchatd.steps.setup.system import SetupStep
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import certificate_token, portainer_password


@dataclass(frozen=True)
class DeployBaseStack(SetupStep):
    """Deploys a stack that Portainer cannot, since Portainer stands on it; waits until it runs.

    The undo removes a stack that this job created, with its volumes and secrets.
    """

    catalog: Catalog
    vault: Vault
    stack: ClassVar[str]
    deadline = 1_200.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        rendered = await self.rendered()
        shell = await self.shell()
        if await shell.read(self._path) != rendered.compose:
            return False
        if not all([await has_secret(shell, name) for name in rendered.docker_secrets]):
            return False
        watch = StackWatch(self.shells, self.params.name, self.stack)
        return await watch.is_up(rendered.waves[-1].services)

    async def apply(self, context: StepContext[JobFacts]) -> None:
        rendered = await self.rendered()
        shell = await self.shell()
        watch = await StackWatch.begin(self.shells, self.params.name, self.stack)
        if not watch.before:
            await context.note_created(f"stack {self.stack}")
        await create_secrets(shell, rendered.docker_secrets)
        context.log(await deploy_stack(shell, self.stack, rendered.compose))
        wave = rendered.waves[-1]
        await watch.until_up(context, wave.services, wave.jobs, max(wave.timeout, 600))
        # A value that was replaced must not stay readable; none of the swarm uses it any more.
        old = _secrets_of(await shell.read(self._path)) - rendered.docker_secrets.keys()
        await remove_secrets(shell, sorted(old))
        # What was deployed last, for the next check: Docker does not give the file back.
        await shell.write(self._path, rendered.compose, "0600")

    async def undo(self, context: StepContext[JobFacts]) -> None:
        if f"stack {self.stack}" not in context.facts.made:
            return
        rendered = await self.rendered()
        shell = await self.shell()
        await remove_stack(shell, self.stack)
        await remove_volumes(context, shell, self.stack)
        await remove_secrets(shell, rendered.docker_secrets)
        await shell.run("rm", "-f", self._path)

    def leftovers(self, context: StepContext[JobFacts]) -> list[str]:
        made = f"stack {self.stack}"
        return [f"{made} on {self.params.name}"] if made in context.facts.made else []

    async def rendered(self) -> RenderedStack:
        """Return the stack for this server."""
        raise NotImplementedError

    @property
    def _path(self) -> str:
        return f"/var/lib/livchat/stacks/{self.stack}.yml"


class DeployTraefik(DeployBaseStack):
    """Deploys Traefik; `NotConfigured` without the zone's token where the challenge is DNS."""

    stack = "traefik"
    title = "Deploy Traefik"
    expected_seconds = 8.0

    async def rendered(self) -> RenderedStack:
        params, token = self.params, None
        if params.challenge is Challenge.DNS:
            secret = await self.vault.require(
                certificate_token(params.zone_name),
                hint=f"livchat config certificates {params.zone_name}",
            )
            token = secret.get_secret_value()
        return await asyncio.to_thread(
            traefik_stack,
            self.catalog,
            params.ssl_email,
            params.domain,
            "dns" if token else "http",
            cloudflare_token=token,
        )


class DeployPortainer(DeployBaseStack):
    """Deploys Portainer with a password that is made once and kept in the vault."""

    stack = "portainer"
    title = "Deploy Portainer"
    expected_seconds = 10.0

    async def rendered(self) -> RenderedStack:
        key = portainer_password(self.params.name)
        secret = await self.vault.get_or_make(key, partial(password, 32))
        return await asyncio.to_thread(portainer_stack, self.catalog, secret.get_secret_value())


@dataclass(frozen=True)
class WaitForPortainer(Step[JobFacts]):
    """Waits until Portainer answers and has the swarm; `ProviderError` if it does not in time."""

    params: SetupServerParams
    portainers: Portainers
    title = "Wait for Portainer"
    expected_seconds = 2.0
    within = 180.0

    async def apply(self, context: StepContext[JobFacts]) -> None:
        portainer = self.portainers(self.params.name)
        async for _ in context.poll(self.within):
            try:
                if await portainer.is_ready():
                    endpoint = await portainer.environment_id()
                    context.log(f"Portainer answers; the swarm is its environment {endpoint}")
                    return
            except ProviderUnavailable as error:
                context.log(f"not yet: {error.message}", "debug")
        raise ProviderError(
            f"Portainer runs, but it does not answer after {self.within:g} s",
            hint=f"livchat server setup {self.params.name}",
        )


def _secrets_of(compose: str | None) -> set[str]:
    """Return the Docker secrets that a stack is given by its Compose file."""
    import yaml  # noqa: PLC0415 - not at the daemon's start

    document = yaml.safe_load(compose or "") or {}
    return {str(secret["name"]) for secret in (document.get("secrets") or {}).values()}
