"""Jobs over HTTP. Their JSON comes from the engine as it is stored."""

from __future__ import annotations

import json

from aiohttp import web

from livchatd.api.http.messages import ORCHESTRATOR, part, query, reply
from livchatd.api.http.queries import CancelQuery, JobsQuery, LogsQuery, PruneQuery
from livchatd.api.middleware.idempotency import accepted, asked
from livchatd.jobs.job_table import JobFilter


async def index(request: web.Request) -> web.Response:
    want = query(request, JobsQuery)
    before = int(want.cursor) if want.cursor else None
    status = want.status.value if want.status else None
    jobs, total, following = await request.app[ORCHESTRATOR].engine.jobs(
        JobFilter(status, want.type, want.server, want.limit, before)
    )
    cursor = json.dumps(None if following is None else str(following))
    return reply(f'{{"jobs":{jobs},"total":{total},"next_cursor":{cursor}}}')


async def show(request: web.Request) -> web.Response:
    return reply(request.app[ORCHESTRATOR].engine.job(part(request, "job_id")))


async def logs(request: web.Request) -> web.Response:
    want = query(request, LogsQuery)
    engine = request.app[ORCHESTRATOR].engine
    job_id = part(request, "job_id")
    return reply(await engine.logs(job_id, want.tail, want.step, want.level))


async def cancel(request: web.Request) -> web.Response:
    force = query(request, CancelQuery).force
    return reply(await request.app[ORCHESTRATOR].cancel(part(request, "job_id"), force=force))


async def retry(request: web.Request) -> web.Response:
    job_id = part(request, "job_id")
    return accepted(await request.app[ORCHESTRATOR].retry(job_id, await asked(request)))


async def prune(request: web.Request) -> web.Response:
    want = query(request, PruneQuery)
    return reply(await request.app[ORCHESTRATOR].prune(want.age, want.status))
