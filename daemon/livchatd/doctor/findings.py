"""What the doctor finds, in words: each finding with the order that would mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from livchat.errors import LivChatError
from livchat.wire.doctor import Finding, Severity
from livchat.wire.servers import ServerStatus
from livchatd.installation import HOME, JOB, MANAGED, SERVER, Home, read_comment
from livchatd.integrations.cloudflare import Record
from livchatd.providers.base import Thing
from livchatd.steps.orphans import CLOUDFLARE, Known, Stray, stray_record, stray_thing
from livchatd.steps.repair import WORDS, RecordOrder, ThingOrder
from livchatd.storage.inventory import ServerRecord

LOST = ServerStatus.LOST
KINDS = {"machine": "machines", "address": "addresses", "key": "SSH keys"}
SKEWED = 60.0
"""Seconds by which clocks may differ: what happened when is told by both."""
OLDER = "an older version"
OLD = "; it is older than the table here: restore the one before, or name it to have it deleted"


@dataclass(frozen=True)
class ZonePlace:
    """A zone of a DNS account."""

    account: str
    zone_id: str


def thing(
    found: Thing, provider: str, home: Home, before: Known, after: Known
) -> tuple[Finding, ThingOrder] | None:
    """A machine, address or key that belongs to nothing; None if it belongs.

    It is judged by what was known before the look and after it: a job that began or ended
    meanwhile has made or taken away what the list shows or lacks.
    """
    whose = found.labels.get(HOME)
    strays = [stray_thing(found, provider, here) for here in (before, after)]
    stray = _foreign(whose) if whose != home.id else strays[0] and strays[1]
    if stray is None:
        return None
    foreign = whose != home.id
    older = not foreign and found.created_at < home.since
    finding = Finding(
        id=f"{provider}/{found.kind}/{found.id}",
        kind=f"{'foreign' if foreign else 'orphan'}_{found.kind}",
        severity=Severity.INFO if foreign else Severity(stray.severity),
        provider=provider,
        name=found.name,
        detail=" ".join(
            part
            for part in (WORDS[found.kind], found.where, f"for '{found.labels.get(SERVER, '')}'")
            if part
        ),
        why=stray.why + (OLD if older else ""),
        price_monthly=found.price_monthly,
        currency=found.currency,
        since=found.created_at or None,
        job_id=found.labels.get(JOB),
        home=whose or OLDER,
        mend="delete",
        named_only=foreign or older,
        hint=f"livchat doctor --mend {provider}/{found.kind}/{found.id}",
    )
    kept = {key: found.labels[key] for key in (MANAGED, HOME, SERVER) if key in found.labels}
    order = ThingOrder(
        finding=finding.id, provider=provider, kind=found.kind, thing_id=found.id, labels=kept
    )
    return finding, order


def record(
    found: Record, place: ZonePlace, home: Home, before: Known, after: Known
) -> tuple[Finding, RecordOrder] | None:
    """A record that belongs to nothing or points elsewhere; None if all is well."""
    said = read_comment(found.comment)
    if said is None:
        return None
    ours = said.home == home.id
    strays = [stray_record(found, said, place.account, here) for here in (before, after)]
    stray = (strays[0] and strays[1]) if ours else _foreign(said.home)
    if stray is None:
        return None
    kind = {"delete": "orphan_record", "point": "astray_record"}[stray.mend]
    older = ours and stray.mend == "delete" and found.created_at < home.since
    name = f"{place.account}/record/{found.id}"
    finding = Finding(
        id=name,
        kind=kind if ours else "foreign_record",
        severity=Severity(stray.severity) if ours else Severity.INFO,
        provider=place.account,
        name=found.name,
        detail=f"{found.type} {found.content} for {said.app} on '{said.server}'",
        why=stray.why + (OLD if older else ""),
        since=found.created_at or None,
        home=said.home or OLDER,
        mend=stray.mend,
        named_only=not ours or older,
        hint=f"livchat doctor --mend {name}",
    )
    order = RecordOrder(
        finding=name,
        account=place.account,
        zone_id=place.zone_id,
        record_id=found.id,
        name=found.name,
        comment=found.comment or "",
        mend=stray.mend,
    )
    return finding, order


def server(known: ServerRecord, machine: Thing | None, things: Sequence[Thing]) -> Finding:
    """A server whose machine is gone, or has lost the labels by which it is ours."""
    held = [one for one in things if one.labels.get(SERVER) == known.name]
    prices = [Decimal(one.price_monthly) for one in held if one.price_monthly is not None]
    unmarked = machine is not None
    return Finding(
        id=f"{known.provider}/server/{known.name}",
        kind="unmarked_server" if unmarked else "lost_server",
        severity=Severity.WARNING if unmarked else Severity.ERROR,
        provider=known.provider,
        name=known.name,
        detail=f"server at {known.ip_address or 'no address'}, {known.status.value}",
        why=_lost(known, machine),
        price_monthly=f"{sum(prices):f}" if prices else None,
        currency=next((one.currency for one in held if one.currency), None),
        since=known.created_at,
        hint=(
            f"put the label {HOME} back on the machine {known.machine_id}"
            if unmarked
            else f"livchat server delete {known.name}"
        ),
    )


def _lost(known: ServerRecord, machine: Thing | None) -> str:
    if machine is not None:
        return "its machine does not carry our labels any more, so nothing here would delete it"
    if known.status is LOST:
        return "a job that made or deleted it did not come to its end"
    return "its machine is gone"


def is_foreign(finding: Finding) -> bool:
    """Whether another installation made it."""
    return finding.kind.startswith("foreign_")


def is_ours(found: Thing, home: Home) -> bool:
    """Whether this installation made it."""
    return found.labels.get(HOME) == home.id


def refused(name: str, error: LivChatError) -> Finding:
    """A credential that is not taken any more."""
    command = "cloudflare" if name == CLOUDFLARE else f"provider {name}"
    return Finding(
        id=f"{name}/credential/token",
        kind="refused_credential",
        severity=Severity.ERROR,
        provider=name,
        name="token",
        detail=f"the credential for {name}",
        why=error.message,
        hint=error.hint or f"livchat config {command}",
    )


def clock(name: str, ahead: float | None) -> Finding | None:
    """The clock of this machine, if the provider's says something else."""
    if ahead is None or abs(ahead) < SKEWED:
        return None
    return Finding(
        id="local/wrong_clock/clock",
        kind="wrong_clock",
        severity=Severity.WARNING,
        provider="local",
        name="clock",
        detail=f"the clock of this machine, beside that of {name}",
        why=f"it is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} that of {name}",
        hint="timedatectl set-ntp true",
    )


def with_job(finding: Finding, left: Mapping[str, str]) -> Finding:
    """The finding with the job that says itself that it left this behind, if one does."""
    kind = finding.kind.partition("_")[2]
    words = {
        "machine": f"machine {finding.name} at {finding.provider}",
        "address": f"address {finding.detail.split(' ')[1]} at {finding.provider}",
        "key": f"SSH key {finding.name} at {finding.provider}",
        "record": f"record {finding.name}",
    }.get(kind)
    job_id = left.get(words or "")
    if job_id is None:
        return finding
    why = f"{finding.why}; {job_id} left it behind"
    return finding.model_copy(update={"why": why, "job_id": job_id})


def _foreign(whose: str | None) -> Stray:
    return Stray(f"another installation of LivChat made it ({whose or OLDER})", "warning")
