"""The doctor's findings: each with the parameters that repair it, if a job can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from livchat.errors import LivChatError
from livchat.messages import references
from livchat.wire.doctor import Finding, Severity
from livchat.wire.servers import ServerStatus
from livchatd.installation import Installation, read_comment
from livchatd.integrations.dns import Record
from livchatd.providers.base import INSTALLATION, Owner, Resource
from livchatd.steps.orphans import (
    CLOUDFLARE,
    KnownState,
    Orphan,
    orphaned_record,
    orphaned_resource,
)
from livchatd.steps.params import RecordRepair, ResourceRepair
from livchatd.steps.repair import RESOURCE_NAMES
from livchatd.storage.inventory import ServerRecord

RESOURCES = {"machine": "machines", "address": "addresses", "key": "SSH keys"}
"""The kinds of resources, each with its plural."""
MAX_CLOCK_OFFSET_SECONDS = 60.0
"""Beyond it, times of this machine and of the provider cannot be compared."""
OLDER_VERSION = "an older version"
OLDER_THAN_TABLE = (
    "; it is older than the table here: restore the one before, or name it to have it deleted"
)

Repair = ResourceRepair | RecordRepair


@dataclass(frozen=True)
class DoctorFinding:
    """A finding as the API shows it, and the parameters that repair it; None if no job can."""

    finding: Finding
    repair: Repair | None = None

    @property
    def of_other_installation(self) -> bool:
        """Whether another installation made what was found."""
        return self.finding.kind.startswith("foreign_")

    def with_job(self, left_behind: Mapping[str, str]) -> DoctorFinding:
        """Return the finding with the job that says that it left this behind, if one does."""
        finding = self.finding
        description = {
            "machine": f"machine {finding.name} at {finding.provider}",
            "address": f"address {finding.detail.split(' ')[1]} at {finding.provider}",
            "key": f"SSH key {finding.name} at {finding.provider}",
            "record": f"record {finding.name}",
        }.get(finding.kind.partition("_")[2])
        job_id = left_behind.get(description or "")
        if job_id is None:
            return self
        why = f"{finding.why}; {job_id} left it behind"
        changed = finding.model_copy(update={"why": why, "job_id": job_id})
        return replace(self, finding=changed)


@dataclass(frozen=True)
class ZoneRef:
    """A zone of a DNS account."""

    account: str
    zone_id: str


def resource_finding(
    resource: Resource,
    provider: str,
    installation: Installation,
    before: KnownState,
    after: KnownState,
) -> DoctorFinding | None:
    """Return a machine, address or key that belongs to no server here; None if it belongs.

    It belongs if it did before the scan or does after it: a job that began or ended meanwhile has
    made or deleted what the list has or lacks.
    """
    owner = resource.owner or Owner(None, None)
    foreign = owner.installation_id != installation.id
    orphans = [orphaned_resource(resource, provider, state) for state in (before, after)]
    orphan = _foreign(owner.installation_id) if foreign else orphans[0] and orphans[1]
    if orphan is None:
        return None
    older = not foreign and resource.created_at < installation.created_at
    why = orphan.why + OLDER_THAN_TABLE if older else orphan.why
    finding = Finding(
        id=f"{provider}/{resource.kind}/{resource.id}",
        kind=f"{'foreign' if foreign else 'orphan'}_{resource.kind}",
        severity=Severity.INFO if foreign else Severity(orphan.severity),
        provider=provider,
        name=resource.name,
        detail=" ".join(
            part
            for part in (
                RESOURCE_NAMES[resource.kind],
                resource.where,
                f"for '{owner.server or ''}'",
            )
            if part
        ),
        why=why,
        messages=references({"why": why}),
        price_monthly=resource.price_monthly,
        currency=resource.currency,
        since=resource.created_at or None,
        job_id=owner.root_job_id,
        home=owner.installation_id or OLDER_VERSION,
        mend="delete",
        named_only=foreign or older,
        hint=f"livchat doctor --mend {provider}/{resource.kind}/{resource.id}",
    )
    repair = ResourceRepair(
        finding=finding.id,
        provider=provider,
        kind=resource.kind,
        thing_id=resource.id,
        labels=ResourceRepair.owner_as_labels(owner),
    )
    return DoctorFinding(finding, repair)


def record_finding(
    record: Record,
    zone: ZoneRef,
    installation: Installation,
    before: KnownState,
    after: KnownState,
) -> DoctorFinding | None:
    """Return a DNS record that belongs to no app here or points elsewhere; None if all is well.

    It is judged by what was known before and after the scan, as a resource is.
    """
    comment = read_comment(record.comment)
    if comment is None:
        return None
    ours = comment.installation_id == installation.id
    orphans = [orphaned_record(record, comment, zone.account, state) for state in (before, after)]
    orphan = (orphans[0] and orphans[1]) if ours else _foreign(comment.installation_id)
    if orphan is None:
        return None
    kind = {"delete": "orphan_record", "point": "astray_record"}[orphan.mend]
    older = ours and orphan.mend == "delete" and record.created_at < installation.created_at
    name = f"{zone.account}/record/{record.id}"
    why = orphan.why + OLDER_THAN_TABLE if older else orphan.why
    finding = Finding(
        id=name,
        kind=kind if ours else "foreign_record",
        severity=Severity(orphan.severity) if ours else Severity.INFO,
        provider=zone.account,
        name=record.name,
        detail=f"{record.type} {record.content} for {comment.app} on '{comment.server}'",
        why=why,
        messages=references({"why": why}),
        since=record.created_at or None,
        home=comment.installation_id or OLDER_VERSION,
        mend=orphan.mend,
        named_only=not ours or older,
        hint=f"livchat doctor --mend {name}",
    )
    repair = RecordRepair(
        finding=name,
        account=zone.account,
        zone_id=zone.zone_id,
        record_id=record.id,
        name=record.name,
        comment=record.comment or "",
        mend=orphan.mend,
    )
    return DoctorFinding(finding, repair)


def server_finding(
    server: ServerRecord, machine: Resource | None, resources: Sequence[Resource]
) -> DoctorFinding:
    """Return a server whose machine is gone, or has lost our labels (`machine`).

    `resources` are this installation's at the provider: those of the server still cost.
    """
    held = [one for one in resources if one.owner and one.owner.server == server.name]
    prices = [Decimal(one.price_monthly) for one in held if one.price_monthly is not None]
    unmarked = machine is not None
    return DoctorFinding(
        Finding(
            id=f"{server.provider}/server/{server.name}",
            kind="unmarked_server" if unmarked else "lost_server",
            severity=Severity.WARNING if unmarked else Severity.ERROR,
            provider=server.provider,
            name=server.name,
            detail=f"server at {server.ip_address or 'no address'}, {server.status.value}",
            why=_why_lost(server, machine),
            price_monthly=f"{sum(prices):f}" if prices else None,
            currency=next((one.currency for one in held if one.currency), None),
            since=server.created_at,
            hint=(
                f"put the label {INSTALLATION} back on the machine {server.machine_id}"
                if unmarked
                else f"livchat server delete {server.name}"
            ),
        )
    )


def credential_finding(name: str, error: LivChatError) -> DoctorFinding:
    """Return a provider's or DNS account's credential that is refused."""
    command = "cloudflare" if name == CLOUDFLARE else f"provider {name}"
    return DoctorFinding(
        Finding(
            id=f"{name}/credential/token",
            kind="refused_credential",
            severity=Severity.ERROR,
            provider=name,
            name="token",
            detail=f"the credential for {name}",
            why=error.message,
            hint=error.hint or f"livchat config {command}",
            messages=references({"why": error.message, "hint": error.hint}),
        )
    )


def clock_finding(provider: str, offset: float | None) -> DoctorFinding | None:
    """Return this machine's clock if it is wrong; `offset`: seconds by which the other is ahead."""
    if offset is None or abs(offset) < MAX_CLOCK_OFFSET_SECONDS:
        return None
    direction = "behind" if offset > 0 else "ahead of"
    return DoctorFinding(
        Finding(
            id="local/wrong_clock/clock",
            kind="wrong_clock",
            severity=Severity.WARNING,
            provider="local",
            name="clock",
            detail=f"the clock of this machine, beside that of {provider}",
            why=f"it is {abs(offset):.0f} s {direction} that of {provider}",
            hint="timedatectl set-ntp true",
        )
    )


def of_this_installation(resource: Resource, installation: Installation) -> bool:
    """Return whether this installation made a resource."""
    return resource.owner is not None and resource.owner.installation_id == installation.id


def _why_lost(server: ServerRecord, machine: Resource | None) -> str:
    if machine is not None:
        return "its machine does not carry our labels any more, so nothing here would delete it"
    if server.status is ServerStatus.LOST:
        return "a job that made or deleted it did not come to its end"
    return "its machine is gone"


def _foreign(owner: str | None) -> Orphan:
    return Orphan(f"another installation of LivChat made it ({owner or OLDER_VERSION})", "warning")
