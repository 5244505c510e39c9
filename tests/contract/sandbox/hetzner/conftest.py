"""Sandboxes for tests of Hetzner's API, and clients whose every answer is checked."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import hcloud
import pytest
import requests

from tests.contract.openapi_answers import SPECS, Description
from tests.contract.sandbox.hetzner.cloud import Cloud, Connect
from tests.contract.sandbox_process import SandboxProcess, running


@pytest.fixture(scope="module")
def description() -> Description | None:
    name = "hetzner-cloud.reduced.openapi.json"
    return Description(name, "/v1") if (SPECS / name).exists() else None


@pytest.fixture(scope="session")
def instant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("instant") / "sandbox", scale=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox in real time: what takes seconds is under way for the length of a test."""
    with running(tmp_path_factory.mktemp("unhurried") / "sandbox", scale=1) as sandbox:
        yield sandbox


@pytest.fixture
def connect(description: Description | None) -> Iterator[Connect]:
    """Make clients whose every answer is held against the description."""
    made: list[requests.Session] = []

    def heard(answer: requests.Response, *_: Any, **__: Any) -> None:
        path = urllib.parse.urlsplit(answer.url).path
        if description is not None and answer.status_code != 429:
            method = str(answer.request.method)
            description.check(method, path, answer.status_code, answer.content)

    def connect(sandbox: SandboxProcess, token: str | None = None) -> Cloud:
        address = sandbox.address
        client = hcloud.Client(
            token=token or address["token"],
            api_endpoint=address["hetzner"],
            timeout=(5, 30),
            poll_interval=0.01,
        )
        session = client._client._session
        session.hooks["response"].append(heard)
        made.append(session)
        return client

    yield connect
    for session in made:
        session.close()


@pytest.fixture
def cloud(instant: SandboxProcess, connect: Connect) -> Cloud:
    instant.control("reset", "POST")
    return connect(instant)


@pytest.fixture
def slow_cloud(unhurried: SandboxProcess, connect: Connect) -> Cloud:
    unhurried.control("reset", "POST")
    return connect(unhurried)
