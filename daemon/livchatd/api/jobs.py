"""Jobs over HTTP: lists, one job and its log; cancelled, retried, pruned."""

from __future__ import annotations

from aiohttp import web

from livchatd.api.http.messages import OPERATIONS, accepted, path_param, read_query, reply
from livchatd.api.http.queries import CancelQuery, JobsQuery, LogsQuery, PruneQuery
from livchatd.api.middleware.auth import caller_of


async def index(request: web.Request) -> web.Response:
    query = read_query(request, JobsQuery)
    return reply(
        await request.app[OPERATIONS].jobs.page(
            query.status, query.type, query.server, query.limit, query.cursor
        )
    )


async def show(request: web.Request) -> web.Response:
    return reply(request.app[OPERATIONS].jobs.show(path_param(request, "job_id")))


async def logs(request: web.Request) -> web.Response:
    query, job_id = read_query(request, LogsQuery), path_param(request, "job_id")
    operations = request.app[OPERATIONS].jobs
    return reply(await operations.logs(job_id, query.tail, query.step, query.level))


async def cancel(request: web.Request) -> web.Response:
    force = read_query(request, CancelQuery).force
    job_id = path_param(request, "job_id")
    return reply(await request.app[OPERATIONS].jobs.cancel(job_id, force=force))


async def retry(request: web.Request) -> web.Response:
    job_id = path_param(request, "job_id")
    return accepted(await request.app[OPERATIONS].jobs.retry(job_id, caller_of(request)))


async def prune(request: web.Request) -> web.Response:
    query = read_query(request, PruneQuery)
    return reply(await request.app[OPERATIONS].jobs.prune(query.age, query.status))
