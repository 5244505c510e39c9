"""The doctor: looks at the cloud, DNS and this machine, and says what a job can mend."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from livchat.errors import Conflict, NotFound, ProviderUnavailable
from livchat.wire.doctor import Diagnosis, Finding, Severity
from livchatd.credentials.credentials import Credentials
from livchatd.doctor.findings import is_foreign, with_job
from livchatd.doctor.local_checks import Health
from livchatd.doctor.scan import Look
from livchatd.installation import Home
from livchatd.jobs.engine import Engine
from livchatd.jobs.job_table import left_behind
from livchatd.providers.registry import Accounts
from livchatd.steps.repair import RecordOrder, ThingOrder
from livchatd.storage.database import Database
from livchatd.storage.inventory import Inventory
from livchatd.workflows.repair import MendOrder


@dataclass(frozen=True)
class Doctor:
    """Looks, and says what is to be mended. Changes nothing."""

    home: Home
    inventory: Inventory
    accounts: Accounts
    credentials: Credentials
    engine: Engine
    database: Database
    health: Health

    async def look(self) -> Diagnosis:
        """All that is not as it should be."""
        seen = await self._look()
        ours = [one for one in seen.findings if not is_foreign(one)]
        return Diagnosis(
            healthy=not ours and not seen.unreachable,
            home=self.home.id,
            findings=_sorted(ours),
            foreign=_sorted(one for one in seen.findings if is_foreign(one)),
            checked=sorted(seen.checked, key=lambda one: one.name),
            unreachable=sorted(seen.unreachable, key=lambda one: one.name),
        )

    async def order(self, wanted: Sequence[str] | None) -> MendOrder:
        """What a job is to mend: these, or all that is our own; `NotFound`, `Conflict`.

        What another installation or a lost table may know is never among `all`.
        """
        seen = await self._look()
        if wanted is None:
            safe = (one.id for one in seen.findings if one.mend and not one.named_only)
            wanted = sorted(safe)
            if not wanted:
                raise Conflict("there is nothing to mend", hint="livchat doctor")
        orders = [_order(seen, name) for name in dict.fromkeys(wanted)]
        return MendOrder(
            things=[one for one in orders if isinstance(one, ThingOrder)],
            records=[one for one in orders if isinstance(one, RecordOrder)],
        )

    async def _look(self) -> Look:
        seen = Look(
            self.home, self.inventory, self.accounts, self.credentials, self.engine.live_jobs
        )
        (sick, well), left, _ = await asyncio.gather(
            self.health.look(), self.database.read_apart(left_behind), seen.everywhere()
        )
        seen.findings = [*sick, *(with_job(one, left) for one in seen.findings)]
        seen.checked.append(well)
        return seen


def _order(seen: Look, name: str) -> ThingOrder | RecordOrder:
    """What mends a finding; an error that says why nothing does."""
    if name in seen.orders:
        return seen.orders[name]
    for finding in seen.findings:
        if finding.id == name:
            raise Conflict(
                f"the doctor cannot mend {name} by itself: {finding.why}", hint=finding.hint
            )
    for one in seen.unreachable:
        if one.name == name.partition("/")[0]:
            raise ProviderUnavailable(f"cannot look at {one.name} now: {one.why}", hint=one.hint)
    raise NotFound(f"there is no finding '{name}' now", hint="livchat doctor")


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    worst = list(Severity)
    return sorted(findings, key=lambda one: (worst.index(one.severity), one.id))
