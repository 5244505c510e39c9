"""Idempotency-Key: a request that is sent again gets its first response, and is not run again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

from aiohttp import web

from livchat.errors import InvalidRequest
from livchatd.api.http.messages import Handler, accepted, json_body, reply
from livchatd.api.middleware.auth import CALLER, caller_name
from livchatd.jobs.idempotency import (
    AcceptedJob,
    Caller,
    IdempotencyKey,
    StoredResponse,
    StoredResponses,
)


class Idempotency:
    """Runs a request with a key once, and gives its first response to the same request again."""

    def __init__(self, responses: StoredResponses) -> None:
        self._responses = responses
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    def wrap(self, handler: Handler, *, starts_job: bool) -> Handler:
        """Return the handler, run at most once for each key.

        A handler that starts a job passes the caller with the key to the engine, which stores the
        response in the job's own transaction; the response of any other is stored after it.
        """

        async def run_once(request: web.Request) -> web.StreamResponse:
            key = await _key(request)
            if key is None:
                return await handler(request)
            async with self._lock(key.key):
                first = await self._responses.find(key)
                if first is not None:
                    return _replayed(first)
                request[CALLER] = Caller(caller_name(request), key)
                response = await handler(request)
                if not starts_job and isinstance(response, web.Response):
                    stored = StoredResponse(response.status, response.text or "")
                    await self._responses.store(key, stored)
                return response

        return run_once

    @asynccontextmanager
    async def _lock(self, key: str) -> AsyncIterator[None]:
        """Let one request at a time have a key: the second finds what the first has stored."""
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(key)
            if waiting > 1:
                self._locks[key] = (lock, waiting - 1)


async def _key(request: web.Request) -> IdempotencyKey | None:
    """Return the key with the digest of method, path, query and body, however it is spaced."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (8 <= len(key) <= 128 and key.isascii() and key.isprintable()):
        raise InvalidRequest.field("Idempotency-Key", "must have 8 to 128 printable characters")
    body = json.dumps(await json_body(request), sort_keys=True, separators=(",", ":"))
    digest = sha256(f"{request.method} {request.path_qs}\n{body}".encode()).hexdigest()
    return IdempotencyKey(key, digest)


def _replayed(first: StoredResponse) -> web.Response:
    if first.status == 202:
        return accepted(AcceptedJob(json.loads(first.body)["job_id"], first.body, replayed=True))
    response = reply(first.body, first.status)
    response.headers["Idempotency-Replayed"] = "true"
    return response
