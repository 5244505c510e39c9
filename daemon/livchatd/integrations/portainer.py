"""Portainer's API on a server, reached through the SSH connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from pydantic import SecretStr

from livchat.errors import (
    Conflict,
    LivChatError,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    Unauthorized,
)

_HOST = "http://portainer"
_LONGEST = 120.0
"""Seconds for one request: removing a stack is synchronous."""
_DOCKER = frozenset({1, 2})
_ERROR = 4


class StackState(StrEnum):
    """Portainer's status of a stack, by name (1 active, 2 inactive, 3 deploying, 4 error)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEPLOYING = "deploying"
    ERROR = "error"


@dataclass(frozen=True)
class Stack:
    """A stack that Portainer knows. `message` is its last deployment's error, if any."""

    id: int
    name: str
    state: StackState
    message: str | None = None


class Portainer(Protocol):
    """One Portainer. Logs in by user and password when first needed, again when a token ends."""

    async def ready(self) -> bool:
        """Whether it answers (`GET /api/system/status`)."""

    async def endpoint(self) -> int:
        """The id of the local environment, made if there is none."""

    async def stack(self, name: str) -> Stack | None:
        """A stack by name, or None."""

    async def stack_file(self, stack_id: int) -> str:
        """The Compose file that a stack was deployed with last."""

    async def deploy(self, name: str, compose: str, env: Mapping[str, str] | None = None) -> Stack:
        """Create the stack, or update it in place. Answers while it is still deploying."""

    async def delete(self, name: str) -> None:
        """Remove a stack; one that is gone already is fine."""

    async def close(self) -> None:
        """Close the connection."""


_STATES = {
    1: StackState.ACTIVE,
    2: StackState.INACTIVE,
    3: StackState.DEPLOYING,
    4: StackState.ERROR,
}


class PortainerApi:
    """Portainer over the Unix socket of an SSH tunnel.

    `connect` gives the socket's path; it is asked before each request, as the path changes when
    the SSH connection was made anew. `password` gives the password of the user `admin`.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Path]], password: Callable[[], SecretStr]
    ) -> None:
        self._connect = connect
        self._password = password
        self._path: Path | None = None
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None
        self._endpoint: int | None = None
        self._logging_in = asyncio.Lock()

    async def ready(self) -> bool:
        """Whether it answers."""
        try:
            quick = aiohttp.ClientTimeout(total=10)
            await self._send("GET", "/api/system/status", token=None, timeout=quick)
        except (ProviderUnavailable, ProviderError):
            return False
        return True

    async def endpoint(self) -> int:
        """The id of the local environment, made if there is none."""
        if self._endpoint is None:
            found = await self._local()
            self._endpoint = found if found is not None else await self._add_local()
        return self._endpoint

    async def stack(self, name: str) -> Stack | None:
        """A stack by name, or None."""
        found = await self._find(name)
        return None if found is None else _stack(found)

    async def stack_file(self, stack_id: int) -> str:
        """The Compose file that a stack was deployed with last."""
        answer = await self._ask("GET", f"/api/stacks/{stack_id}/file")
        return str(answer["StackFileContent"])

    async def deploy(self, name: str, compose: str, env: Mapping[str, str] | None = None) -> Stack:
        """Create the stack, or update it in place; `env` replaces what was there."""
        pairs = [{"name": key, "value": value} for key, value in (env or {}).items()]
        found = await self._find(name)
        if found is not None:
            body = {
                "StackFileContent": compose,
                "Env": pairs,
                "Prune": True,
                "RepullImageAndRedeploy": False,
            }
            where = f"/api/stacks/{found['Id']}?endpointId={found['EndpointId']}"
            return _stack(await self._ask("PUT", where, json=body))
        endpoint = await self.endpoint()
        body = {
            "Name": name,
            "SwarmID": await self._swarm(endpoint),
            "StackFileContent": compose,
            "Env": pairs,
            "FromAppTemplate": False,
        }
        where = f"/api/stacks/create/swarm/string?endpointId={endpoint}"
        return _stack(await self._ask("POST", where, json=body))

    async def delete(self, name: str) -> None:
        """Remove a stack and wait until it is gone; one that is gone already is fine."""
        found = await self._find(name)
        if found is None:
            return
        with contextlib.suppress(NotFound):
            where = f"/api/stacks/{found['Id']}?endpointId={found['EndpointId']}"
            await self._ask("DELETE", where)

    async def close(self) -> None:
        """Close the connection."""
        session, self._session, self._path = self._session, None, None
        if session is not None:
            await session.close()

    async def _local(self) -> int | None:
        listed = await self._ask("GET", "/api/endpoints?excludeSnapshots=true")
        return next((int(found["Id"]) for found in listed if found["Type"] in _DOCKER), None)

    async def _add_local(self) -> int:
        # A form, not JSON: so Portainer reads it.
        form = {"Name": "primary", "EndpointCreationType": "1"}
        try:
            return int((await self._ask("POST", "/api/endpoints", data=form))["Id"])
        except Conflict:
            found = await self._local()
            if found is None:
                raise
            return found

    async def _swarm(self, endpoint: int) -> str:
        answer = await self._ask("GET", f"/api/endpoints/{endpoint}/docker/swarm")
        return str(answer["ID"])

    async def _find(self, name: str) -> dict[str, Any] | None:
        # Portainer keeps names in lower case.
        listed = await self._ask("GET", "/api/stacks")
        return next((found for found in listed if found["Name"] == name.lower()), None)

    async def _ask(self, method: str, path: str, **body: Any) -> Any:
        """An answer as JSON (None if it is empty), logged in; once more with a fresh token."""
        token = await self._login(stale=None)
        try:
            return await self._send(method, path, token=token, **body)
        except Unauthorized:
            token = await self._login(stale=token)
        try:
            return await self._send(method, path, token=token, **body)
        except Unauthorized as error:
            # Not the caller's credential: it must not be told that its own was refused.
            raise ProviderError(error.message, details=error.details) from error

    async def _login(self, stale: str | None) -> str:
        """The token; a new one where `stale` is the one at hand."""
        async with self._logging_in:
            if self._token is None or self._token == stale:
                secret = self._password().get_secret_value()
                body = {"Username": "admin", "Password": secret}
                answer = await self._send("POST", "/api/auth", token=None, json=body)
                self._token = str(answer["jwt"])
            return self._token

    async def _send(self, method: str, path: str, *, token: str | None, **body: Any) -> Any:
        session = await self._over_tunnel()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        doing = f"{method} {path.partition('?')[0]}"
        try:
            async with session.request(
                method, _HOST + path, headers=headers, allow_redirects=False, **body
            ) as answer:
                text = await answer.text(errors="replace")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ProviderUnavailable(
                f"portainer does not answer: {doing}: {type(error).__name__}"
            ) from error
        if answer.status >= 300:
            raise _refusal(answer.status, text, doing)
        return _json(text, doing)

    async def _over_tunnel(self) -> aiohttp.ClientSession:
        path = await self._connect()
        if self._session is None or path != self._path:
            await self.close()
            self._path = path
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(path)),
                timeout=aiohttp.ClientTimeout(total=_LONGEST, sock_connect=10),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _stack(found: Mapping[str, Any]) -> Stack:
    errors = [
        entry.get("Message")
        for entry in found.get("DeploymentStatus") or []
        if entry.get("Status") == _ERROR
    ]
    return Stack(
        id=int(found["Id"]),
        name=str(found["Name"]),
        state=_STATES.get(found.get("Status") or 0, StackState.DEPLOYING),
        message=errors[-1] if errors else None,
    )


def _refusal(status: int, text: str, doing: str) -> LivChatError:
    reason = _reason(text)
    message = f"portainer answered {status} to {doing}: {reason}"
    details = {"http_status": status}
    if status == 303:
        return ProviderError(
            f"portainer waits to be set up and was locked: {reason}", details=details
        )
    if status == 401:
        return Unauthorized(message, details=details)
    if status == 422 and doing.endswith("/api/auth"):
        return ProviderError(
            "portainer refuses the password that is kept for it",
            hint="livchat secret list",
            details=details,
        )
    if status == 429 or status >= 500:
        return ProviderUnavailable(message, details=details)
    kind = {404: NotFound, 409: Conflict}.get(status, ProviderError)
    return kind(message, details=details)


def _reason(text: str) -> str:
    try:
        body = json.loads(text)
        parts = [str(body.get("message") or ""), str(body.get("details") or "")]
    except (ValueError, AttributeError):
        parts = [text]
    unique = dict.fromkeys(part.strip() for part in parts if part.strip())
    return " ".join(": ".join(unique).split())[:500] or "no reason given"


def _json(text: str, doing: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise ProviderUnavailable(
            f"portainer gave an answer that cannot be read: {doing}"
        ) from None
