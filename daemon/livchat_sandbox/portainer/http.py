"""How Portainer answers: JSON, and its two-line errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from livchat_sandbox.machine.machine import Machine
    from livchat_sandbox.machine.portainer_data import Portainer


class Failure(Exception):
    """A refusal: its HTTP status, Portainer's message, and the details under it."""

    def __init__(self, status: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def answer(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.json_response(data, status=status, headers=headers)


def refuse(failure: Failure) -> web.Response:
    """An error as Portainer writes it; empty parts are left out."""
    told = {"message": failure.message, "details": failure.details}
    headers = {"redirect-reason": "AdminInitTimeout"} if failure.status == 303 else None
    return answer(
        {key: value for key, value in told.items() if value}, status=failure.status, headers=headers
    )


async def body(request: web.BaseRequest, **wanted: type) -> dict[str, Any]:
    """A JSON object that holds these fields, of these types and not empty; 400 otherwise."""
    try:
        given = json.loads(await request.read())
    except ValueError as error:
        raise Failure(400, "Invalid request payload", str(error)) from error
    if not isinstance(given, dict):
        raise Failure(400, "Invalid request payload", "request body must be an object")
    for key, kind in wanted.items():
        if not isinstance(given.get(key), kind) or not given[key]:
            raise Failure(400, "Invalid request payload", f"Invalid {key}")
    return given


@dataclass
class Call:
    """One request, with the ids from its path."""

    request: web.BaseRequest
    machine: Machine
    ids: tuple[str, ...]

    @property
    def data(self) -> Portainer:
        """Portainer's own data."""
        return self.machine.portainer

    def environment(self, given: str | None) -> int:
        """An environment by its id in a path or query; a refusal (400, 404) if there is none."""
        if given is None or not given.isdecimal():
            raise Failure(400, "Invalid query parameter: endpointId", "Missing query parameter")
        if int(given) not in self.data.environments:
            raise Failure(
                404,
                "Unable to find an environment with the specified identifier inside the database",
                "Object not found inside the database",
            )
        return int(given)
