"""The doctor: what is not as it should be, and what may be done about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from livchat.wire.base import MessageReference, Request, Wire

FindingId = Annotated[
    str, StringConstraints(pattern=r"^[a-z]{2,30}/[a-z_]{2,30}/[A-Za-z0-9._~-]{1,80}$")
]
"""Where it is, what it is and its id there, e.g. hetzner/machine/123; it stays the same."""
Mending = Literal["delete", "point"]
"""Delete it, or point a record at the address of its own server."""


class Severity(StrEnum):
    """How bad it is: money or visitors go astray; it should be put right; it is only told."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(Wire):
    """One thing that is not as it should be.

    `mend` is what a job can do about it, None where only `hint` helps. `home` is the installation
    that made it; `job_id` the job that did, where that is known. `named_only`: it is never mended
    with all the others, for it may be somebody's or something that only a lost table knew.
    `messages` has the sentences in `detail`, `why` and `hint`, by field.
    """

    id: str
    kind: str
    severity: Severity
    provider: str
    name: str
    detail: str
    why: str
    price_monthly: str | None = None
    currency: str | None = None
    since: str | None = None
    job_id: str | None = None
    home: str | None = None
    mend: Mending | None = None
    named_only: bool = False
    hint: str | None = None
    messages: dict[str, MessageReference] | None = None


class Checked(Wire):
    """One thing that was looked at, and what was seen."""

    name: str
    detail: str


class Unreachable(Wire):
    """One thing that could not be looked at, and why."""

    name: str
    why: str
    hint: str | None = None


class Diagnosis(Wire):
    """What the doctor found; `foreign` is what other installations of LivChat have there."""

    healthy: bool
    home: str
    findings: list[Finding]
    foreign: list[Finding]
    checked: list[Checked]
    unreachable: list[Unreachable]


class MendFindings(Request):
    """What to mend; without `findings` all that is this installation's own and can be mended."""

    findings: list[FindingId] | None = Field(None, min_length=1, max_length=500)
