"""The form of Portainer's API: one call, JSON answers, two-line errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from livchat_sandbox.machine.machine import Machine
    from livchat_sandbox.machine.portainer_data import PortainerData


class ApiError(Exception):
    """A request is answered with an error: its HTTP status, Portainer's message, its details."""

    def __init__(self, status: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


@dataclass
class ApiCall:
    """One request to the Portainer of a machine, with the ids from its path."""

    request: web.BaseRequest
    machine: Machine
    ids: tuple[str, ...]

    @property
    def data(self) -> PortainerData:
        """Portainer's own data."""
        return self.machine.portainer

    def environment(self, value: str | None) -> int:
        """Return the id of an environment that a path or query names.

        Raises a 400 if the value is no number, a 404 if there is no such environment.
        """
        if value is None or not value.isdecimal():
            raise ApiError(400, "Invalid query parameter: endpointId", "Missing query parameter")
        if int(value) not in self.data.environments:
            raise ApiError(
                404,
                "Unable to find an environment with the specified identifier inside the database",
                "Object not found inside the database",
            )
        return int(value)


def json_response(
    data: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a JSON answer."""
    return web.json_response(data, status=status, headers=headers)


def error_response(error: ApiError) -> web.Response:
    """Return an error as Portainer writes it; empty parts are left out."""
    parts = {"message": error.message, "details": error.details}
    headers = {"redirect-reason": "AdminInitTimeout"} if error.status == 303 else None
    body = {name: text for name, text in parts.items() if text}
    return json_response(body, status=error.status, headers=headers)


async def read_body(request: web.BaseRequest, **required: type) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises a 400 unless it holds the required fields, of these types and not empty.
    """
    try:
        data = json.loads(await request.read())
    except ValueError as error:
        raise ApiError(400, "Invalid request payload", str(error)) from error
    if not isinstance(data, dict):
        raise ApiError(400, "Invalid request payload", "request body must be an object")
    for name, kind in required.items():
        if not isinstance(data.get(name), kind) or not data[name]:
            raise ApiError(400, "Invalid request payload", f"Invalid {name}")
    return data
