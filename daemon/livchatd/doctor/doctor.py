"""The doctor: scans providers, DNS and this machine, and says what a job can repair."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from livchat.errors import Conflict, NotFound, ProviderUnavailable
from livchat.wire.doctor import Checked, Diagnosis, Finding, Severity, Unreachable
from livchatd.credentials.credentials import Credentials
from livchatd.doctor.findings import DoctorFinding, Repair
from livchatd.doctor.local_checks import LocalChecks
from livchatd.doctor.scan import Scan
from livchatd.installation import Installation
from livchatd.jobs.engine import Engine
from livchatd.jobs.job_table import left_behind
from livchatd.providers.registry import ProviderRegistry
from livchatd.steps.params import RecordRepair, RepairParams, ResourceRepair
from livchatd.storage.database import Database
from livchatd.storage.inventory import Inventory


@dataclass(frozen=True)
class Examination:
    """What the doctor has found, and what it looked at or could not look at."""

    findings: list[DoctorFinding]
    checked: list[Checked]
    unreachable: list[Unreachable]


@dataclass(frozen=True)
class Doctor:
    """Looks for what is not as it should be. It changes nothing."""

    installation: Installation
    inventory: Inventory
    registry: ProviderRegistry
    credentials: Credentials
    engine: Engine
    database: Database
    local_checks: LocalChecks

    async def diagnose(self) -> Diagnosis:
        """Return all that is not as it should be, the worst first."""
        found = await self._examine()
        ours = [one.finding for one in found.findings if not one.of_other_installation]
        foreign = [one.finding for one in found.findings if one.of_other_installation]
        return Diagnosis(
            healthy=not ours and not found.unreachable,
            home=self.installation.id,
            findings=_sorted(ours),
            foreign=_sorted(foreign),
            checked=sorted(found.checked, key=lambda one: one.name),
            unreachable=sorted(found.unreachable, key=lambda one: one.name),
        )

    async def repair_params(self, requested: Sequence[str] | None) -> RepairParams:
        """Return the parameters of a job that repairs these findings, or all that are surely ours.

        What another installation or a lost table may know is repaired only if it is requested.
        Raises `NotFound` for a finding that is not there now, `Conflict` for one that no job can
        repair or if nothing is to be repaired, `ProviderUnavailable` for one that cannot be seen.
        """
        found = await self._examine()
        if requested is None:
            findings = (one.finding for one in found.findings)
            requested = sorted(one.id for one in findings if one.mend and not one.named_only)
            if not requested:
                raise Conflict("there is nothing to mend", hint="livchat doctor")
        repairs = [_repair(found, finding_id) for finding_id in dict.fromkeys(requested)]
        return RepairParams(
            things=[one for one in repairs if isinstance(one, ResourceRepair)],
            records=[one for one in repairs if isinstance(one, RecordRepair)],
        )

    async def _examine(self) -> Examination:
        scan = Scan(
            self.installation,
            self.inventory,
            self.registry,
            self.credentials,
            self.engine.active_jobs,
        )
        (local, checked), left, _ = await asyncio.gather(
            self.local_checks.run(), self.database.read_in_thread(left_behind), scan.run()
        )
        findings = [DoctorFinding(one) for one in local]
        findings += [one.with_job(left) for one in scan.findings]
        return Examination(findings, [*scan.checked, checked], scan.unreachable)


def _repair(found: Examination, finding_id: str) -> Repair:
    """Return what repairs a finding; raises an error that says why nothing does."""
    for one in found.findings:
        if one.finding.id != finding_id:
            continue
        if one.repair is not None:
            return one.repair
        raise Conflict(
            f"the doctor cannot mend {finding_id} by itself: {one.finding.why}",
            hint=one.finding.hint,
        )
    for unreachable in found.unreachable:
        if unreachable.name == finding_id.partition("/")[0]:
            raise ProviderUnavailable(
                f"cannot look at {unreachable.name} now: {unreachable.why}", hint=unreachable.hint
            )
    raise NotFound(f"there is no finding '{finding_id}' now", hint="livchat doctor")


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    worst_first = list(Severity)
    return sorted(findings, key=lambda one: (worst_first.index(one.severity), one.id))
