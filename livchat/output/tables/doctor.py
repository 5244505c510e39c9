"""What the doctor found: what it is, what it costs, why it is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from livchat.messages import in_words
from livchat.output.formatting import local, price
from livchat.output.messages import translate
from livchat.output.tables.columns import columns
from livchat.sanitize import clean_line

Json = dict[str, Any]


def diagnosis(found: Json) -> Iterator[str]:
    """All of it: findings here, then what other installations have, then what was not seen."""
    findings, foreign = found["findings"], found["foreign"]
    if found["healthy"]:
        yield translate("all_well")
    yield from _table(findings)
    yield from _advice(findings)
    if foreign:
        yield from ("", translate("of_others", home=found["home"]))
        yield from _table(foreign, with_owner=True)
    if found["unreachable"]:
        yield ""
    for one in found["unreachable"]:
        hint = f" ({one['hint']})" if one.get("hint") else ""
        yield clean_line(translate("not_looked_at", name=one["name"], why=f"{one['why']}{hint}"))
    yield ""
    for one in found["checked"]:
        yield clean_line(translate("looked_at", name=one["name"], detail=one["detail"]))


def what_will_be_mended(findings: Sequence[Json]) -> list[str]:
    """What is about to be mended, a line each."""
    return [
        clean_line(f"{_kind(one)} {one['name']} ({one['detail']}){_cost(one)}") for one in findings
    ]


def count_and_savings(findings: Sequence[Json]) -> str:
    """How many are about to be mended, and what that saves."""
    text = translate("mend", count=len(findings))
    return text + _savings(findings)


def mending_result(job: Json) -> Iterator[str]:
    """What a job mended, and what it left as it is."""
    made = job.get("result") or {}
    for one in made.get("mended") or []:
        yield clean_line(translate("is_mended", finding=one))
    for one in made.get("left") or []:
        yield clean_line(translate("is_kept", finding=one))


def _table(findings: Sequence[Json], *, with_owner: bool = False) -> Iterator[str]:
    """A row each, and below it its id with the reason, which would be cut off in a column."""
    if not findings:
        return
    keys = ["col_what", "col_name", "col_where", "col_month", "col_since"]
    head = [translate(key) for key in [*keys, *(["col_whose"] if with_owner else [])]]
    rows = [
        [
            _kind(one),
            one["name"],
            one["provider"],
            price(one.get("price_monthly"), one.get("currency")),
            local(one.get("since"))[:10],
            *([one.get("home")] if with_owner else []),
        ]
        for one in findings
    ]
    first, *lines = columns(head, rows)
    yield first
    for one, line in zip(findings, lines, strict=True):
        made = translate("made_by", job=one["job_id"]) if one.get("job_id") else ""
        yield line
        yield clean_line(f"  {one['id']}: {in_words(one, 'why')}{made}")


def _advice(findings: Sequence[Json]) -> Iterator[str]:
    """The next command for each finding that cannot be mended, then one for all that can."""
    if not findings:
        return
    yield ""
    for one in findings:
        if one.get("mend") is None and one.get("hint"):
            yield clean_line(f"{one['name']}: {in_words(one, 'hint')}")
    mendable = [one for one in findings if one.get("mend") and not one.get("named_only")]
    if mendable:
        yield translate("mend_all") + _savings(mendable)


def _cost(finding: Json) -> str:
    if not finding.get("price_monthly"):
        return ""
    amount = price(finding["price_monthly"], finding.get("currency"))
    return f": {translate('a_month', price=amount)}"


def _kind(finding: Json) -> str:
    kind: str = finding["kind"]
    return translate(f"found_{kind}") if kind in _KINDS else kind


def _savings(findings: Iterable[Json]) -> str:
    """What they cost together a month; empty where nothing costs anything."""
    total, currency = Decimal(0), ""
    for one in findings:
        try:
            total += Decimal(one["price_monthly"])
        except (TypeError, InvalidOperation):
            continue
        currency = one.get("currency") or currency
    return translate("saves", price=price(total, currency)) if total else ""


_KINDS = frozenset(
    {
        *("orphan_machine", "orphan_address", "orphan_key", "orphan_record", "astray_record"),
        *("foreign_machine", "foreign_address", "foreign_key", "foreign_record"),
        *("lost_server", "unmarked_server", "refused_credential", "low_disk", "unwritable_table"),
        *("unreadable_vault", "broken_null_device", "open_file", "wrong_clock"),
    }
)
"""The kinds that have words of their own; a newer daemon may find others."""
