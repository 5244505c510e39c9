"""The end of a deployment: the wait until people reach the app, its record, the job's result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from livchat.errors import ProviderError
from livchat.job_state import JobStatus
from livchat.wire.apps import AppStatus
from livchatd.jobs.step import StepContext
from livchatd.providers.base import Endpoints
from livchatd.steps.apps.deploy import AppStep, change_facts
from livchatd.steps.apps.http_probe import NO_CERTIFICATE, probe
from livchatd.steps.deps import Providers
from livchatd.steps.facts import AppsFacts
from livchatd.steps.params import AppParams
from livchatd.storage.database import now
from livchatd.storage.inventory import AppRecord, Inventory


@dataclass(frozen=True)
class WebStep(AppStep):
    """A step that needs to know where the web of the app's server is reached."""

    providers: Providers
    inventory: Inventory

    async def endpoints(self) -> Endpoints:
        """Return where the server is reached from here; `NotConfigured` without its address."""
        address = self.inventory.address(self.server)
        return await self.providers.configured(self.inputs.site.provider).endpoints(address)


class WaitForApp(WebStep):
    """Waits until the app answers at its hosts as its definition says, over HTTPS.

    Raises `ProviderError` if it does not in time, or has no certificate by then.
    """

    expected_seconds = 12.0
    deadline = 2_400.0

    @property
    def title(self) -> str:
        return f"Wait for {self.params.title}"

    async def apply(self, context: StepContext[AppsFacts]) -> None:
        rendered = await self.inputs.rendered()
        within = (await self.inputs.app()).spec.ready.timeout
        endpoints = await self.endpoints()
        waiting, last = list(rendered.ready), 0
        async for _ in context.poll(max(within, 120)):
            while waiting:
                last = await probe(endpoints, waiting[0].host, waiting[0].path)
                if last != waiting[0].status:
                    break
                waiting.pop(0)
                done = len(rendered.ready) - len(waiting)
                context.progress(done, len(rendered.ready), "checks")
            if not waiting:
                return
        where = f"{self.params.title} runs, but https://{waiting[0].host}"
        if last == NO_CERTIFICATE:
            raise ProviderError(
                f"{where} has no certificate: Traefik's log says why Let's Encrypt gave none",
                hint=f"livchat server exec {self.server} -- "
                "docker service logs --tail 50 traefik_traefik",
            )
        answer = f"answers {last}" if last else "does not answer"
        raise ProviderError(
            f"{where}{waiting[0].path} {answer}", hint=f"livchat job retry {context.job_id}"
        )


class RecordApp(WebStep):
    """Records that the app runs, and the URL at which people reach it."""

    expected_seconds = 0.05

    @property
    def title(self) -> str:
        return f"Record {self.params.title}"

    async def apply(self, context: StepContext[AppsFacts]) -> None:
        app, params, server = await self.inputs.app(), self.params, self.server
        domain = next(iter(params.hosts.values()), None)
        url = (await self.endpoints()).url(domain) if domain else None
        change_facts(context, app.id, domain=domain, url=url)
        before = self.inventory.app(server, app.id)
        record = AppRecord(
            app_name=app.id,
            instance=self.inputs.instance,
            version=app.version,
            status=AppStatus.RUNNING,
            deployed_at=before.deployed_at if before else now(),
            domain=domain,
            url=url,
            depends_on=params.needs,
            hosts=params.hosts,
            config=params.config,
            redis_indexes=before.redis_indexes if before else {},
        )
        if record != before:
            record = record.model_copy(update={"deployed_at": now()})
            await self.inventory.put_app(server, record)


async def end_failed_deployment(
    inventory: Inventory, server: str, apps: Iterable[AppParams], status: JobStatus
) -> None:
    """Record as failed each app whose deployment did not complete."""
    if status is JobStatus.COMPLETED:
        return
    for app in apps:
        record = inventory.app(server, app.app_name)
        if record is not None and record.status is AppStatus.DEPLOYING:
            failed = record.model_copy(update={"status": AppStatus.FAILED})
            await inventory.put_app(server, failed)


def deployment_result(apps: Iterable[AppParams], facts: AppsFacts) -> list[dict[str, Any]]:
    """Return the apps as a job's result has them."""
    return [
        {"app_name": app.app_name, "url": found.url, "domain": found.domain}
        for app in apps
        if (found := facts.apps.get(app.app_name))
    ]
