"""Lists and records for a person: columns of plain text, quick to make."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from typing import Any

from livchat.output.formatting import clean, local, moment, price, roughly
from livchat.output.messages import say

Json = dict[str, Any]


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines of a table; the last column is cut at the edge of a terminal."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    edge = get_terminal_size().columns if sys.stdout.isatty() else None
    for row in [list(head), *cells]:
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield _cut(text.rstrip(), edge)


def record(fields: Sequence[tuple[str, object]]) -> Iterator[str]:
    """Lines `name   value`, without those that have no value."""
    given = [(name, value) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in given), default=0)
    for name, value in given:
        yield f"{name.ljust(width)}  {_cell(value)}"


def jobs(answer: Json) -> Iterator[str]:
    """The jobs of a page."""
    rows = [
        (
            job["job_id"],
            job["status"] if job["status"] != "running" else f"running {job['progress']}%",
            local(job["created_at"]),
            _took(job),
            job["summary"],
        )
        for job in answer["jobs"]
    ]
    yield from columns(("JOB", "STATUS", "CREATED", "TOOK", "SUMMARY"), rows)
    if answer.get("next_cursor"):
        yield f"({len(rows)} / {answer['total']}: --cursor {answer['next_cursor']})"


def job(found: Json) -> Iterator[str]:
    """One job, whole."""
    yield from record(
        [
            ("job", found["job_id"]),
            ("summary", found["summary"]),
            ("status", f"{found['status']} ({found['progress']} %)"),
            ("created", local(found["created_at"])),
            ("took", _took(found)),
            ("waiting for", found.get("waiting_for")),
            ("retry of", found.get("retry_of")),
            ("error", found.get("error")),
            ("rollback", found.get("rollback")),
            (say("left"), found.get("left_behind")),
            (say("hint"), found.get("hint")),
        ]
    )
    steps = found["steps"]
    if steps:
        yield ""
        rows = [
            (i, step["name"], say(step["status"]), _took(step), step.get("error"))
            for i, step in enumerate(steps, start=1)
        ]
        yield from columns(("#", "STEP", "STATUS", "TOOK", "ERROR"), rows)
    if found.get("result"):
        yield ""
        yield from outcome(found)


def logs(lines: Sequence[Json]) -> Iterator[str]:
    """Log lines: when, level where it matters, step, message."""
    for line in lines:
        level = "" if line["level"] in ("info", "debug") else f"{line['level']}: "
        step = f"{line['step']} | " if line.get("step") else ""
        yield f"{local(line['timestamp'])[11:]}  {clean(step)}{level}{clean(line['message'])}"


def outcome(found: Json) -> Iterator[str]:
    """What a completed job made: apps with their addresses, then whatever else it tells."""
    made: Json = found.get("result") or {}
    apps = made.get("apps") or []
    rows = [(str(app["app_name"]), app.get("url")) for app in apps if isinstance(app, dict)]
    address = made.get("ip_address")
    server = made.get("server") or made.get("server_name") or made.get("name")
    if isinstance(server, dict):
        address = address or server.get("ip_address")
        server = server.get("name")
    left = (say("left"), made.get("left"))
    plain = [
        (key, value)
        for key, value in made.items()
        if key not in ("apps", "server", "server_name", "name", "ip_address")
        and isinstance(value, str | int | float)
    ]
    yield from record([*rows, ("server", server), ("ip_address", address), *plain, left])


def servers(answer: Json) -> Iterator[str]:
    """All servers."""
    rows = [
        (
            server["name"],
            server["status"],
            server["provider"],
            server.get("server_type"),
            server.get("region"),
            server.get("ip_address"),
            server.get("apps"),
        )
        for server in answer["servers"].values()
    ]
    yield from columns(("NAME", "STATUS", "PROVIDER", "TYPE", "REGION", "ADDRESS", "APPS"), rows)


def server(found: Json) -> Iterator[str]:
    """One server."""
    amount = found.get("price_monthly")
    cost = say("a_month", price=price(amount, found.get("currency"))) if amount else None
    fields = [(key, found.get(key)) for key in found if key not in ("price_monthly", "currency")]
    return record([*fields, ("price", cost)])


def catalog(answer: Json) -> Iterator[str]:
    """The apps that can be deployed."""
    rows = [
        (app["name"], app["version"], app["category"], app["depends_on"], app["description"])
        for app in answer["apps"]
    ]
    return columns(("APP", "VERSION", "CATEGORY", "NEEDS", "WHAT IT IS"), rows)


def app(found: Json) -> Iterator[str]:
    """One app of the catalog, and the settings that it takes."""
    yield from record([(key, value) for key, value in found.items() if key != "params"])
    params = found.get("params") or {}
    if params:
        yield ""
        rows = [(name, *_param(spec)) for name, spec in params.items()]
        yield from columns(("SETTING", "DEFAULT", "WHAT IT IS"), rows)


def installed(answer: Json) -> Iterator[str]:
    """The apps of a server."""
    rows = [
        (app["app_name"], app["version"], app["status"], app.get("url"), local(app["deployed_at"]))
        for app in answer["apps"]
    ]
    return columns(("APP", "VERSION", "STATUS", "URL", "DEPLOYED"), rows)


def _param(spec: object) -> tuple[object, object]:
    if not isinstance(spec, dict):
        return None, spec
    told = spec.get("description") or spec.get("title") or spec.get("label") or spec.get("type")
    return spec.get("default"), told.get("en") if isinstance(told, dict) else told


def _took(timed: Json) -> str:
    begun, ended = moment(timed.get("started_at")), moment(timed.get("completed_at"))
    return "-" if begun is None or ended is None else roughly(ended - begun)


def _cell(value: object) -> str:
    if value is None or value in ([], "", {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return clean(", ".join(map(str, value)))
    return clean(value)


def _cut(text: str, edge: int | None) -> str:
    return text if edge is None or len(text) <= edge else f"{text[: edge - 1]}…"
