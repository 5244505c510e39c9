"""The facts of each workflow's jobs: what its steps found out and created, durable, no secrets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from livchatd.jobs.step import CreatedFacts, Facts


class JobFacts(CreatedFacts):
    """Facts of every job that creates things.

    `lines` is how many lines of each systemd unit are in the job's log, by the unit's name; `found`
    what a preflight saw, for people; `earlier` what this job wrote over, by file or field.
    """

    lines: dict[str, int] = Field(default_factory=dict)
    found: dict[str, str] = Field(default_factory=dict)
    earlier: dict[str, str] = Field(default_factory=dict)


class MachineFacts(JobFacts):
    """What was bought for a server.

    `taken` counts the offers that were refused: 0 is the one that was chosen, 1 the first fallback.
    `former` are addresses that were released since they could not move to an offer's region.
    `actions` are the provider's ids of what it is still doing.
    """

    taken: int = 0
    former: list[str] = Field(default_factory=list)
    address_id: str | None = None
    ip_address: str | None = None
    ipv6_address: str | None = None
    key_id: str | None = None
    machine_id: str | None = None
    actions: list[str] = Field(default_factory=list)


class AppFacts(BaseModel):
    """One app of a job: `update` if it ran before, and where it is reached once it is recorded."""

    phase: Literal["install", "update"] = "install"
    domain: str | None = None
    url: str | None = None


class AppsFacts(JobFacts):
    """The apps of a job, by name."""

    apps: dict[str, AppFacts] = Field(default_factory=dict)


class UpFacts(MachineFacts, AppsFacts):
    """A server and its apps in one job."""


class DeletionFacts(Facts):
    """What a deletion must know of a thing after it is gone, to delete the rest of it.

    `status` is the status before the deletion; `left` are things that stay, for people.
    """

    status: str | None = None
    docker_secrets: list[str] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)


class RepairFacts(Facts):
    """The findings that were repaired, and those that were left, with the reason."""

    mended: list[str] = Field(default_factory=list)
    kept: dict[str, str] = Field(default_factory=dict)
