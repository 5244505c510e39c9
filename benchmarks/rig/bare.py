"""The yardstick: a bare aiohttp site on a Unix socket, as small as it can be."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from time import time_ns

from aiohttp import web

BELL = web.AppKey("bell", asyncio.Condition)
FRAMES = web.AppKey("frames", list)


async def tiny(_: web.Request) -> web.Response:
    return web.Response(body=b'{"status":"ok"}', content_type="application/json")


async def sized(request: web.Request) -> web.Response:
    """A constant body of as many bytes as are asked for."""
    size = int(request.match_info["size"])
    return web.Response(body=b'"' + b"x" * (size - 2) + b'"', content_type="application/json")


async def echo(request: web.Request) -> web.Response:
    """Reads a body, as a submit has one."""
    await request.read()
    return web.Response(body=b'{"status":"ok"}', content_type="application/json", status=202)


async def tell(request: web.Request) -> web.Response:
    """Tell every watcher one event: the time of now."""
    async with request.app[BELL]:
        number = len(request.app[FRAMES]) + 1
        frame = f"id: x-{number}\nevent: log\ndata: {time_ns()}\n\n".encode()
        request.app[FRAMES].append(frame)
        request.app[BELL].notify_all()
    return web.Response(status=204)


async def watch(request: web.Request) -> web.StreamResponse:
    """Every event from now on."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    frames, bell = request.app[FRAMES], request.app[BELL]
    at = len(frames)
    await response.prepare(request)
    await response.write(b": ready\n\n")
    with suppress(ConnectionError):
        while True:
            async with bell:
                await bell.wait_for(lambda at=at: len(frames) > at)
            fresh, at = frames[at:], len(frames)
            await response.write(b"".join(fresh))
    return response


def site() -> web.Application:
    """The site."""
    app = web.Application()
    app[BELL] = asyncio.Condition()
    app[FRAMES] = []
    app.router.add_get("/tiny", tiny)
    app.router.add_get("/sized/{size}", sized)
    app.router.add_post("/echo", echo)
    app.router.add_post("/tell", tell)
    app.router.add_get("/watch", watch)
    return app


async def serve(path: Path) -> web.AppRunner:
    """Serve the site at a Unix socket."""
    runner = web.AppRunner(site(), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path), backlog=1024).start()
    return runner


async def _run(path: Path) -> None:
    await serve(path)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
