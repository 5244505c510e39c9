"""What the steps of a job learn, durable and without secrets: one typed model for each workflow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from livchatd.jobs.step import Learnt, Run


class Ledger(Learnt):
    """What this job made itself, by names such as `stack n8n`: only that may an undo take away.

    `lines` is how many lines of each unit are logged; `found` what a preflight saw, in words;
    `earlier` what this job wrote over, by file or field.
    """

    made: list[str] = Field(default_factory=list)
    lines: dict[str, int] = Field(default_factory=dict)
    found: dict[str, str] = Field(default_factory=dict)
    earlier: dict[str, str] = Field(default_factory=dict)


class MachineLearnt(Ledger):
    """What was bought for a server; `actions` are the provider's, to be waited for.

    `taken` is which of the order's offers is bought, 0 for the first; `former` are addresses that
    were given back because the offer that was taken stands elsewhere.
    """

    taken: int = 0
    former: list[str] = Field(default_factory=list)
    address_id: str | None = None
    ip_address: str | None = None
    ipv6_address: str | None = None
    key_id: str | None = None
    machine_id: str | None = None
    actions: list[str] = Field(default_factory=list)


class AppLearnt(BaseModel):
    """An app of this job: whether it was there before, and where it is reached."""

    phase: Literal["install", "update"] = "install"
    domain: str | None = None
    url: str | None = None


class AppsLearnt(Ledger):
    """The apps of this job, by name."""

    apps: dict[str, AppLearnt] = Field(default_factory=dict)


class UpLearnt(MachineLearnt, AppsLearnt):
    """Server and apps in one job."""


class RemovalLearnt(Learnt):
    """What must be known of a thing after it is gone, to remove the rest of it."""

    status: str | None = None
    docker_secrets: list[str] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)


async def make_note(run: Run[Ledger], thing: str) -> None:
    """Note, durably and before it happens, that this job makes `thing`."""
    if thing not in run.learnt.made:
        run.learnt.made = [*run.learnt.made, thing]
        await run.save()
