"""Jobs, their steps, logs and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from livchat.messages import in_words
from livchat.output.formatting import local, moment, roughly
from livchat.output.messages import translate
from livchat.output.tables.columns import columns, record
from livchat.sanitize import clean_line

Json = dict[str, Any]


def jobs(page: Json) -> Iterator[str]:
    """The jobs of a page."""
    rows = [
        (
            job["job_id"],
            job["status"] if job["status"] != "running" else f"running {job['progress']}%",
            local(job["created_at"]),
            _duration(job),
            job["summary"],
        )
        for job in page["jobs"]
    ]
    yield from columns(("JOB", "STATUS", "CREATED", "TOOK", "SUMMARY"), rows)
    if page.get("next_cursor"):
        yield f"({len(rows)} / {page['total']}: --cursor {page['next_cursor']})"


def job(found: Json) -> Iterator[str]:
    """One job, whole."""
    yield from record(
        [
            ("job", found["job_id"]),
            ("summary", found["summary"]),
            ("status", f"{found['status']} ({found['progress']} %)"),
            ("created", local(found["created_at"])),
            ("took", _duration(found)),
            ("waiting for", found.get("waiting_for")),
            ("retry of", found.get("retry_of")),
            ("error", in_words(found, "error") or None),
            ("rollback", found.get("rollback")),
            (translate("left"), found.get("left_behind")),
            (translate("hint"), in_words(found, "hint") or None),
        ]
    )
    steps = found["steps"]
    if steps:
        yield ""
        rows = [
            (
                i,
                in_words(step, "name"),
                translate(step["status"]),
                _duration(step),
                in_words(step, "error"),
            )
            for i, step in enumerate(steps, start=1)
        ]
        yield from columns(("#", "STEP", "STATUS", "TOOK", "ERROR"), rows)
    if found.get("result"):
        yield ""
        yield from job_result(found)


def logs(lines: Sequence[Json]) -> Iterator[str]:
    """Log lines: when, level where it matters, step, message."""
    for line in lines:
        level = "" if line["level"] in ("info", "debug") else f"{line['level']}: "
        step = f"{clean_line(line['step'])} | " if line.get("step") else ""
        yield f"{local(line['timestamp'])[11:]}  {step}{level}{clean_line(line['message'])}"


def job_result(found: Json) -> Iterator[str]:
    """What a completed job made: apps with their addresses, then the rest of its result."""
    made: Json = found.get("result") or {}
    apps = made.get("apps") or []
    rows = [(str(app["app_name"]), app.get("url")) for app in apps if isinstance(app, dict)]
    address = made.get("ip_address")
    server = made.get("server") or made.get("server_name") or made.get("name")
    if isinstance(server, dict):
        address = address or server.get("ip_address")
        server = server.get("name")
    left = (translate("left"), made.get("left"))
    others = [
        (key, value)
        for key, value in made.items()
        if key not in ("apps", "server", "server_name", "name", "ip_address")
        and isinstance(value, str | int | float)
    ]
    yield from record([*rows, ("server", server), ("ip_address", address), *others, left])


def _duration(timed: Json) -> str:
    begun, ended = moment(timed.get("started_at")), moment(timed.get("completed_at"))
    return "-" if begun is None or ended is None else roughly(ended - begun)
