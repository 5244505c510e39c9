"""Requests that are sent twice: the first answer is given again, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from aiohttp import web

from livchat.errors import Invalid, LivChatError
from livchatd.api.http.messages import ORCHESTRATOR, Handler, body, reply
from livchatd.api.middleware.auth import caller
from livchatd.jobs.idempotency import Claim
from livchatd.operations.caller import Ask, Started

_ENCODER = json.JSONEncoder(separators=(",", ":"))


def accepted(started: Started) -> web.Response:
    """202: the job is on disk. A repeated request gets its first answer."""
    if started.replay is not None:
        return _replayed(started.replay)
    return _located(reply(_accepted_text(started), 202), started.job_id)


async def asked(request: web.Request) -> Ask:
    """Who asks, and how the answer is kept for the same request sent again."""
    key = _key(request)
    if key is None:
        return Ask(caller(request))
    digest, claims = await _digest(request), request.app[ORCHESTRATOR].engine.claims

    async def repeated() -> bool:
        return await claims.find(key, digest) is not None

    return Ask(
        caller(request),
        lambda started: Claim(key, digest, 202, _accepted_text(started)),
        repeated,
    )


class Once:
    """Gives a mutating request that is sent again its first answer, and does nothing twice."""

    def __init__(self) -> None:
        self._busy: dict[str, tuple[asyncio.Lock, int]] = {}

    def guarding(self, handler: Handler, *, starts_job: bool) -> Handler:
        """The handler, run at most once for each Idempotency-Key."""
        answer = self._by_engine if starts_job else self._here

        async def once(request: web.Request) -> web.StreamResponse:
            key = _key(request)
            if key is None:
                return await handler(request)
            async with self._alone(key):
                return await answer(request, handler, key)

        return once

    async def _by_engine(
        self, request: web.Request, handler: Handler, key: str
    ) -> web.StreamResponse:
        """The engine keeps and finds the answer in the job's own transaction: one commit.

        A repeated request can be refused before it gets there, since its first one has changed
        what is there: then the first answer is looked for.
        """
        try:
            return await handler(request)
        except LivChatError:
            claims = request.app[ORCHESTRATOR].engine.claims
            first = await claims.find(key, await _digest(request))
            if first is None:
                raise
            return _replayed(first)

    async def _here(self, request: web.Request, handler: Handler, key: str) -> web.StreamResponse:
        claims = request.app[ORCHESTRATOR].engine.claims
        digest = await _digest(request)
        first = await claims.find(key, digest)
        if first is not None:
            return _replayed(first)
        response = await handler(request)
        if isinstance(response, web.Response):
            await claims.keep(Claim(key, digest, response.status, response.text or ""))
        return response

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Nobody else has this key meanwhile."""
        lock, waiting = self._busy.get(key, (asyncio.Lock(), 0))
        self._busy[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._busy.pop(key)
            if waiting > 1:
                self._busy[key] = (lock, waiting - 1)


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (8 <= len(key) <= 128 and key.isascii() and key.isprintable()):
        raise Invalid.field("Idempotency-Key", "must have 8 to 128 printable characters")
    return key


async def _digest(request: web.Request) -> str:
    """What makes a request the same one: method, path, query and body, however it is spaced."""
    said = json.dumps(await body(request), sort_keys=True, separators=(",", ":"))
    return sha256(f"{request.method} {request.path_qs}\n{said}".encode()).hexdigest()


def _accepted_text(started: Started) -> str:
    answer: dict[str, Any] = {
        "job_id": started.job_id,
        "status": started.status,
        "message": f"{started.summary}: accepted",
        "check_status": f"GET /api/jobs/{started.job_id}",
        "server_name": started.server,
    }
    if started.retry_of is not None:
        answer["retry_of"] = started.retry_of
    return _ENCODER.encode(answer)


def _replayed(first: Claim) -> web.Response:
    response = reply(first.body, first.status)
    if first.status == 202:
        _located(response, json.loads(first.body)["job_id"])
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _located(response: web.Response, job_id: str) -> web.Response:
    response.headers["Location"] = f"/api/jobs/{job_id}"
    return response
