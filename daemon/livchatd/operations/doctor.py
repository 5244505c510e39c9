"""The doctor: a diagnosis, which changes nothing, and a job that repairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from livchat.wire.doctor import Diagnosis
from livchatd.doctor.doctor import Doctor
from livchatd.jobs.engine import Engine, Submission
from livchatd.jobs.idempotency import AcceptedJob, Caller


@dataclass(frozen=True)
class DoctorOperations:
    """What can be asked of the doctor."""

    doctor: Doctor
    engine: Engine

    async def diagnose(self) -> Diagnosis:
        """Return what is not as it should be, at the providers, in DNS and on this machine."""
        return await self.doctor.diagnose()

    async def repair(self, findings: Sequence[str] | None, caller: Caller) -> AcceptedJob:
        """Submit a job that repairs these findings, or without any all that are surely ours.

        Raises `NotFound` for a finding that is not there now, `Conflict` for one that no job can
        repair or if there is none, `ProviderUnavailable` if its provider cannot be looked at.
        """
        params = await self.doctor.repair_params(findings)
        count = len(params.things) + len(params.records)
        return await self.engine.submit(
            Submission(
                workflow="mend",
                params=params,
                summary=f"Mend {count} finding{'s' if count > 1 else ''} of the doctor",
                caller=caller,
            )
        )
