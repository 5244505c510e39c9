"""Portainer's administrator: the first one is made, and logs in and out."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.portainer.http import ApiCall, ApiError, json_response, read_body
from livchat_sandbox.portainer.jwt import create_jwt

_ADMINISTRATOR = {"Id": 1, "Username": "admin", "Role": 1}


async def check_administrator(call: ApiCall) -> web.Response:
    """`GET /users/admin/check`: 204 if there is an administrator, 404 if not."""
    if call.data.password is None:
        message = "No administrator account found inside the database"
        raise ApiError(404, message, "Object not found inside the database")
    return web.Response(status=204)


async def create_administrator(call: ApiCall) -> web.Response:
    """`POST /users/admin/init`: make the first administrator."""
    data = await read_body(call.request, Username=str, Password=str)
    if call.data.password is not None:
        raise ApiError(
            409, "Unable to create administrator user", "An administrator already exists"
        )
    if call.data.guarded:
        raise ApiError(
            403,
            "Invalid or missing setup token. Provide the X-Setup-Token header with the token "
            "printed in the server logs at startup.",
            "Invalid or missing setup token",
        )
    if len(data["Password"]) < 12:
        raise ApiError(400, "Password does not meet the requirements", "")
    call.data.password = data["Password"]
    return json_response({**_ADMINISTRATOR, "Username": data["Username"]})


async def log_in(call: ApiCall) -> web.Response:
    """`POST /auth`."""
    data = await read_body(call.request, Username=str, Password=str)
    password = call.data.password
    if password is None or data["Username"] != "admin" or data["Password"] != password:
        raise ApiError(422, "Invalid credentials", "Unauthorized")
    now = call.machine.clock.now()
    return json_response({"jwt": create_jwt(call.data.signing_key(), now)})


async def log_out(_call: ApiCall) -> web.Response:
    """`POST /auth/logout`."""
    return web.Response(status=204)


async def show_me(_call: ApiCall) -> web.Response:
    """`GET /users/me`."""
    return json_response(_ADMINISTRATOR)
