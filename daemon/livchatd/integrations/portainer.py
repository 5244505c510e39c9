"""Portainer's API on a server, reached through the SSH connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
from pydantic import SecretStr

from livchat.errors import Conflict, NotFound, ProviderError, ProviderUnavailable, Unauthorized
from livchatd.integrations.portainer_errors import refusal

T = TypeVar("T")

_HOST = "http://portainer"
_REMOVAL_TIMEOUTS = 4.0
"""Portainer responds once a stack is removed: that call gets so many times the usual time-out."""
_DOCKER_TYPES = frozenset({1, 2})
"""Portainer's types of an environment: Docker by its socket, Docker by an agent."""
_ERROR_STATUS = 4


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
    """The Portainer of one server: it logs in when first needed, and again when a token ends.

    Every call raises `ProviderUnavailable` if Portainer does not answer, and `ProviderError` if it
    refuses.
    """

    async def is_ready(self) -> bool:
        """Return whether it answers (`GET /api/system/status`)."""

    async def environment_id(self) -> int:
        """The id of the local environment, made if there is none."""

    async def stack(self, name: str) -> Stack | None:
        """Return a stack by its name, or None."""

    async def stack_file(self, stack_id: int) -> str:
        """Return the Compose file that a stack was deployed with last."""

    async def deploy_stack(
        self, name: str, compose: str, env: Mapping[str, str] | None = None
    ) -> Stack:
        """Create a stack or update it in place; return it while it is still deploying.

        `env` replaces the variables that it had.
        """

    async def delete_stack(self, name: str) -> None:
        """Remove a stack and wait until it is gone; one that is gone already is fine."""

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

    `connect` returns the socket's path; it is called first, and again when nothing answers there:
    the SSH connection may have been made anew, or Portainer have moved. `password` returns the
    password of the user `admin`; it is called after `connect`. `timeout` is for one call, in
    seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Path]],
        password: Callable[[], SecretStr],
        *,
        timeout: float = 30.0,
    ) -> None:
        self._connect = connect
        self._password = password
        self._timeout = timeout
        self._connecting = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._token: str | None = None
        self._environment_id: int | None = None
        self._logging_in = asyncio.Lock()

    async def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            short = aiohttp.ClientTimeout(total=self._timeout / 3)
            await self._send("GET", "/api/system/status", dict, token=None, timeout=short)
        except (ProviderUnavailable, ProviderError):
            return False
        return True

    async def environment_id(self) -> int:
        """The id of the local environment, made if there is none."""
        if self._environment_id is None:
            found = await self._find_local()
            self._environment_id = found if found is not None else await self._add_local()
        return self._environment_id

    async def stack(self, name: str) -> Stack | None:
        """Return a stack by its name, or None."""
        found = await self._find(name)
        return None if found is None else found.stack

    async def stack_file(self, stack_id: int) -> str:
        """Return the Compose file that a stack was deployed with last."""
        path = f"/api/stacks/{stack_id}/file"
        return await self._call("GET", path, lambda body: _text(body["StackFileContent"]))

    async def deploy_stack(
        self, name: str, compose: str, env: Mapping[str, str] | None = None
    ) -> Stack:
        """Create a stack or update it in place; see `Portainer.deploy_stack`."""
        pairs = [{"name": key, "value": value} for key, value in (env or {}).items()]
        found = await self._find(name)
        if found is None:
            try:
                return await self._create(name, compose, pairs)
            except Conflict:
                # Made in between, or by a request of ours whose answer was lost.
                found = await self._find(name)
                if found is None:
                    raise
        body = {
            "StackFileContent": compose,
            "Env": pairs,
            "Prune": True,
            "RepullImageAndRedeploy": False,
        }
        path = f"/api/stacks/{found.stack.id}?endpointId={found.environment_id}"
        return await self._call("PUT", path, _stack, json=body)

    async def delete_stack(self, name: str) -> None:
        """Remove a stack and wait until it is gone; one that is gone already is fine."""
        found = await self._find(name)
        if found is None:
            return
        with contextlib.suppress(NotFound):
            path = f"/api/stacks/{found.stack.id}?endpointId={found.environment_id}"
            longer = aiohttp.ClientTimeout(total=self._timeout * _REMOVAL_TIMEOUTS)
            await self._call("DELETE", path, lambda _: None, timeout=longer)

    async def close(self) -> None:
        """Close the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _create(self, name: str, compose: str, pairs: list[dict[str, str]]) -> Stack:
        environment_id = await self.environment_id()
        body = {
            "Name": name,
            "SwarmID": await self._swarm_id(environment_id),
            "StackFileContent": compose,
            "Env": pairs,
            "FromAppTemplate": False,
        }
        path = f"/api/stacks/create/swarm/string?endpointId={environment_id}"
        return await self._call("POST", path, _stack, json=body)

    async def _find_local(self) -> int | None:
        return await self._call(
            "GET",
            "/api/endpoints?excludeSnapshots=true",
            lambda listed: next(
                (int(one["Id"]) for one in listed if one["Type"] in _DOCKER_TYPES), None
            ),
        )

    async def _add_local(self) -> int:
        # A form, not JSON: so Portainer reads it.
        form = {"Name": "primary", "EndpointCreationType": "1"}
        try:
            return await self._call("POST", "/api/endpoints", lambda one: int(one["Id"]), data=form)
        except Conflict:
            found = await self._find_local()
            if found is None:
                raise
            return found

    async def _swarm_id(self, environment_id: int) -> str:
        path = f"/api/endpoints/{environment_id}/docker/swarm"
        return await self._call("GET", path, lambda body: _text(body["ID"]))

    async def _find(self, name: str) -> _StackEntry | None:
        # Portainer keeps names in lower case.
        return await self._call(
            "GET",
            "/api/stacks",
            lambda listed: next(
                (_entry(one) for one in listed if one["Name"] == name.lower()), None
            ),
        )

    async def _call(self, method: str, path: str, read: Callable[[Any], T], **body: Any) -> T:
        """Send a call with a token, once more with a fresh one; return what `read` makes of it."""
        token = await self._login(stale=None)
        try:
            return await self._send(method, path, read, token=token, **body)
        except Unauthorized:
            token = await self._login(stale=token)
        try:
            return await self._send(method, path, read, token=token, **body)
        except Unauthorized as error:
            # Not the caller's credential: it must not read that its own was refused. A token that
            # is a moment old is refused while Portainer restarts, and not for long.
            raise ProviderUnavailable(error.message, details=error.details) from error

    async def _login(self, stale: str | None) -> str:
        """Return the token; a new one if the one at hand is `stale`."""
        async with self._logging_in:
            if self._token is None or self._token == stale:
                await self._open_session()
                secret = self._password().get_secret_value()
                body = {"Username": "admin", "Password": secret}
                self._token = await self._send(
                    "POST", "/api/auth", lambda body: _text(body["jwt"]), token=None, json=body
                )
            return self._token

    async def _send(
        self, method: str, path: str, read: Callable[[Any], T], *, token: str | None, **body: Any
    ) -> T:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        doing = f"{method} {path.partition('?')[0]}"
        options: dict[str, Any] = {"headers": headers, "allow_redirects": False, **body}
        try:
            status, text = await self._exchange(method, _HOST + path, options)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ProviderUnavailable(
                f"portainer does not answer: {doing}: {type(error).__name__}"
            ) from error
        if status >= 300:
            raise refusal(status, text, doing)
        try:
            return read(json.loads(text) if text else None)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderUnavailable(
                f"portainer gave an answer that cannot be read: {doing}"
            ) from error

    async def _exchange(
        self, method: str, url: str, options: dict[str, Any], *, again: bool = True
    ) -> tuple[int, str]:
        """Return status and body; a call that found the tunnel gone is sent over a new one."""
        session = await self._open_session()
        try:
            async with session.request(method, url, **options) as response:
                return response.status, await response.text(errors="replace")
        except aiohttp.ClientConnectionError as lost:
            await self._discard(session)
            if not again or not isinstance(lost, aiohttp.ClientConnectorError):
                raise
        return await self._exchange(method, url, options, again=False)

    async def _open_session(self) -> aiohttp.ClientSession:
        async with self._connecting:
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(path=str(await self._connect())),
                    timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=10),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self._session

    async def _discard(self, session: aiohttp.ClientSession) -> None:
        """Use a session no more; other calls under way on it fail as ours did."""
        if self._session is session:
            self._session = None
        await session.close()


@dataclass(frozen=True)
class _StackEntry:
    stack: Stack
    environment_id: int


def _entry(one: Mapping[str, Any]) -> _StackEntry:
    return _StackEntry(_stack(one), int(one["EndpointId"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text is due")
    return value


def _stack(found: Mapping[str, Any]) -> Stack:
    errors = [
        entry.get("Message")
        for entry in found.get("DeploymentStatus") or []
        if entry.get("Status") == _ERROR_STATUS
    ]
    return Stack(
        id=int(found["Id"]),
        name=str(found["Name"]),
        state=_STATES.get(found.get("Status") or 0, StackState.DEPLOYING),
        message=errors[-1] if errors else None,
    )
