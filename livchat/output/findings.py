"""What the doctor found, for a person: what, what it costs, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from livchat.output.formatting import clean, local, price
from livchat.output.messages import say
from livchat.output.tables import columns

Json = dict[str, Any]


def diagnosis(answer: Json) -> Iterator[str]:
    """The whole answer: what is wrong here, then what others have, then what was not seen."""
    found, foreign = answer["findings"], answer["foreign"]
    if answer["healthy"]:
        yield say("all_well")
    yield from _table(found)
    yield from _advice(found)
    if foreign:
        yield from ("", say("of_others", home=answer["home"]))
        yield from _table(foreign, whose=True)
    if answer["unreachable"]:
        yield ""
    for one in answer["unreachable"]:
        hint = f" ({clean(one['hint'])})" if one.get("hint") else ""
        yield say("not_looked_at", name=one["name"], why=clean(one["why"]) + hint)
    yield ""
    for one in answer["checked"]:
        yield say("looked_at", name=one["name"], detail=clean(one["detail"]))


def goes(findings: Sequence[Json]) -> list[str]:
    """What is about to be mended, a line each."""
    return [clean(f"{_what(one)} {one['name']} ({one['detail']}){_costs(one)}") for one in findings]


def together(findings: Sequence[Json]) -> str:
    """How many they are, and what mending them saves."""
    saved = _sum(findings)
    return say("mend", count=len(findings)) + (say("saves", price=saved) if saved else "")


def mended(job: Json) -> Iterator[str]:
    """What a job mended, and what it left as it is."""
    made = job.get("result") or {}
    for one in made.get("mended") or []:
        yield say("is_mended", finding=clean(one))
    for one in made.get("left") or []:
        yield say("is_kept", finding=clean(one))


def _table(findings: Sequence[Json], *, whose: bool = False) -> Iterator[str]:
    """A row each, and below it its id with the reason, which would be cut off in a column."""
    if not findings:
        return
    head = [say("col_what"), say("col_name"), say("col_where"), say("col_month"), say("col_since")]
    head += [say("col_whose")] if whose else []
    rows = [
        [
            _what(one),
            one["name"],
            one["provider"],
            price(one.get("price_monthly"), one.get("currency")),
            local(one.get("since"))[:10],
            *([one.get("home")] if whose else []),
        ]
        for one in findings
    ]
    first, *lines = columns(head, rows)
    yield first
    for one, line in zip(findings, lines, strict=True):
        made = say("made_by", job=one["job_id"]) if one.get("job_id") else ""
        yield line
        yield clean(f"  {one['id']}: {one['why']}{made}")


def _advice(findings: Sequence[Json]) -> Iterator[str]:
    """The next command for each thing that the doctor cannot mend, then for all that it can."""
    if not findings:
        return
    yield ""
    for one in findings:
        if one.get("mend") is None and one.get("hint"):
            yield f"{one['name']}: {clean(one['hint'])}"
    together = [one for one in findings if one.get("mend") and not one.get("named_only")]
    saved = _sum(together)
    if together:
        yield say("mend_all") + (say("saves", price=saved) if saved else "")


def _costs(finding: Json) -> str:
    if not finding.get("price_monthly"):
        return ""
    amount = price(finding["price_monthly"], finding.get("currency"))
    return f": {say('a_month', price=amount)}"


def _what(finding: Json) -> str:
    return say(f"found_{finding['kind']}") if finding["kind"] in _KINDS else finding["kind"]


def _sum(findings: Any) -> str:
    """What they cost together; nothing where nothing costs anything."""
    total, currency = Decimal(0), ""
    for one in findings:
        try:
            total += Decimal(one["price_monthly"])
        except (TypeError, InvalidOperation):
            continue
        currency = one.get("currency") or currency
    return price(total, currency) if total else ""


_KINDS = frozenset(
    {
        *("orphan_machine", "orphan_address", "orphan_key", "orphan_record", "astray_record"),
        *("foreign_machine", "foreign_address", "foreign_key", "foreign_record"),
        *("lost_server", "unmarked_server", "refused_credential", "low_disk", "unwritable_table"),
        *("unreadable_vault", "broken_null_device", "open_file", "wrong_clock"),
    }
)
"""The kinds that have words of their own; a newer daemon may find others."""
