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
_REMOVAL = 4.0
"""Removing a stack ends with the answer: it has so many times the time of other calls."""
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

    `connect` gives the socket's path; it is asked first of all, and again when nothing answers
    there: the SSH connection may have been made anew, or Portainer have moved. `password` gives the
    password of the user `admin`; it is asked after `connect`.
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
        self._endpoint: int | None = None
        self._logging_in = asyncio.Lock()

    async def ready(self) -> bool:
        """Whether it answers."""
        try:
            quick = aiohttp.ClientTimeout(total=self._timeout / 3)
            await self._send("GET", "/api/system/status", dict, token=None, timeout=quick)
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
        return None if found is None else found.stack

    async def stack_file(self, stack_id: int) -> str:
        """The Compose file that a stack was deployed with last."""
        where = f"/api/stacks/{stack_id}/file"
        return await self._ask("GET", where, lambda answer: _text(answer["StackFileContent"]))

    async def deploy(self, name: str, compose: str, env: Mapping[str, str] | None = None) -> Stack:
        """Create the stack, or update it in place; `env` replaces what was there."""
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
        where = f"/api/stacks/{found.stack.id}?endpointId={found.endpoint}"
        return await self._ask("PUT", where, _stack, json=body)

    async def delete(self, name: str) -> None:
        """Remove a stack and wait until it is gone; one that is gone already is fine."""
        found = await self._find(name)
        if found is None:
            return
        with contextlib.suppress(NotFound):
            where = f"/api/stacks/{found.stack.id}?endpointId={found.endpoint}"
            longer = aiohttp.ClientTimeout(total=self._timeout * _REMOVAL)
            await self._ask("DELETE", where, lambda _: None, timeout=longer)

    async def close(self) -> None:
        """Close the connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _create(self, name: str, compose: str, pairs: list[dict[str, str]]) -> Stack:
        endpoint = await self.endpoint()
        body = {
            "Name": name,
            "SwarmID": await self._swarm(endpoint),
            "StackFileContent": compose,
            "Env": pairs,
            "FromAppTemplate": False,
        }
        where = f"/api/stacks/create/swarm/string?endpointId={endpoint}"
        return await self._ask("POST", where, _stack, json=body)

    async def _local(self) -> int | None:
        return await self._ask(
            "GET",
            "/api/endpoints?excludeSnapshots=true",
            lambda listed: next((int(one["Id"]) for one in listed if one["Type"] in _DOCKER), None),
        )

    async def _add_local(self) -> int:
        # A form, not JSON: so Portainer reads it.
        form = {"Name": "primary", "EndpointCreationType": "1"}
        try:
            return await self._ask("POST", "/api/endpoints", lambda one: int(one["Id"]), data=form)
        except Conflict:
            found = await self._local()
            if found is None:
                raise
            return found

    async def _swarm(self, endpoint: int) -> str:
        where = f"/api/endpoints/{endpoint}/docker/swarm"
        return await self._ask("GET", where, lambda answer: _text(answer["ID"]))

    async def _find(self, name: str) -> _Found | None:
        # Portainer keeps names in lower case.
        return await self._ask(
            "GET",
            "/api/stacks",
            lambda listed: next(
                (_found(one) for one in listed if one["Name"] == name.lower()), None
            ),
        )

    async def _ask(self, method: str, path: str, read: Callable[[Any], T], **body: Any) -> T:
        """An answer, read by `read`; logged in, and once more with a fresh token."""
        token = await self._login(stale=None)
        try:
            return await self._send(method, path, read, token=token, **body)
        except Unauthorized:
            token = await self._login(stale=token)
        try:
            return await self._send(method, path, read, token=token, **body)
        except Unauthorized as error:
            # Not the caller's credential: it must not be told that its own was refused. One that
            # was given a moment ago is refused while Portainer restarts, and not for long.
            raise ProviderUnavailable(error.message, details=error.details) from error

    async def _login(self, stale: str | None) -> str:
        """The token; a new one where `stale` is the one at hand."""
        async with self._logging_in:
            if self._token is None or self._token == stale:
                await self._over_tunnel()
                secret = self._password().get_secret_value()
                body = {"Username": "admin", "Password": secret}
                self._token = await self._send(
                    "POST", "/api/auth", lambda answer: _text(answer["jwt"]), token=None, json=body
                )
            return self._token

    async def _send(
        self, method: str, path: str, read: Callable[[Any], T], *, token: str | None, **body: Any
    ) -> T:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        doing = f"{method} {path.partition('?')[0]}"
        given: dict[str, Any] = {"headers": headers, "allow_redirects": False, **body}
        try:
            status, text = await self._exchange(method, _HOST + path, given)
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
        self, method: str, url: str, given: dict[str, Any], *, again: bool = True
    ) -> tuple[int, str]:
        """Status and body. Not sent because the tunnel is gone, it is sent over a new one."""
        session = await self._over_tunnel()
        try:
            async with session.request(method, url, **given) as answer:
                return answer.status, await answer.text(errors="replace")
        except aiohttp.ClientConnectionError as lost:
            await self._leave(session)
            if not again or not isinstance(lost, aiohttp.ClientConnectorError):
                raise
        return await self._exchange(method, url, given, again=False)

    async def _over_tunnel(self) -> aiohttp.ClientSession:
        async with self._connecting:
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.UnixConnector(path=str(await self._connect())),
                    timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=10),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self._session

    async def _leave(self, session: aiohttp.ClientSession) -> None:
        """Use this session no more; what others have under way on it fails as ours did."""
        if self._session is session:
            self._session = None
        await session.close()


@dataclass(frozen=True)
class _Found:
    stack: Stack
    endpoint: int


def _found(one: Mapping[str, Any]) -> _Found:
    return _Found(_stack(one), int(one["EndpointId"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text is due")
    return value


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
