"""The vendors' own clients, unmodified, in programs of their own: all that they get is checked."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.openapi_answers import SPECS, Description
from tests.contract.sandbox_process import SandboxProcess, running

CLIENTS = Path(__file__).parents[1] / "clients"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with running(tmp_path_factory.mktemp("scripts") / "sandbox") as found:
        yield found


class Listener(BaseHTTPRequestHandler):
    """Passes on what it is asked, and notes what was answered."""

    protocol_version = "HTTP/1.1"
    target = ""
    heard: list[tuple[str, str, int, dict[str, str], bytes]]

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        line = http.client.HTTPConnection(self.target, timeout=30)
        headers = {key: value for key, value in self.headers.items() if key != "Host"}
        body = self.rfile.read(length) if length else None
        line.request(self.command, self.path, body=body, headers=headers)
        answer = line.getresponse()
        content, told = answer.read(), dict(answer.getheaders())
        line.close()
        path = urlsplit(self.path).path
        self.heard.append((self.command, path, answer.status, told, content))
        self.send_response(answer.status)
        for key, value in told.items():
            if key.lower() not in {"transfer-encoding", "content-length", "date", "server"}:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is said."""


@contextmanager
def overheard(url: str) -> Iterator[tuple[str, list[tuple[str, str, int, dict[str, str], bytes]]]]:
    """The same API at another address, and all that it answers there."""
    parts = urlsplit(url)
    heard: list[tuple[str, str, int, dict[str, str], bytes]] = []
    kind = type("Heard", (Listener,), {"target": parts.netloc, "heard": heard})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{parts.path}", heard
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def run(script: str, *words: str, **environment: str) -> dict[str, Any]:
    """What a script saw; it knows nothing but where and with which token."""
    done = subprocess.run(
        [sys.executable, str(CLIENTS / script), *words],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_an_operator_s_day_at_hetzner(sandbox: SandboxProcess) -> None:
    with overheard(sandbox.address["hetzner"]) as (endpoint, heard):
        seen = run("hcloud_script.py", endpoint, HCLOUD_TOKEN=sandbox.address["token"])
    assert seen.pop("retired")
    assert {"fsn1", "nbg1", "hel1"} <= set(seen.pop("places"))
    assert {"debian-12", "debian-13"} <= set(seen.pop("images"))
    assert seen == {
        "keys": 55,
        "odd keys": 27,
        "page": [20, 2, 3, 55],
        "same key": "uniqueness_error",
        "actions": ["create_server", "start_server"],
        "password": None,
        "running": ["running", True],
        "done": 100,
        "role==web": ["prod-01"],
        "env!=prod": [],
        "role in (web,db),!gone": ["prod-01"],
        "env notin (prod)": [],
        "role": ["prod-01"],
        "labels": {"role": "db"},
        "taken": "uniqueness_error",
        "no such type": "invalid_input",
        "retired type": "invalid_input",
        "sold out": "resource_unavailable",
        "address in use": "server_not_stopped",
        "rebooted": "running",
        "off": "off",
        "unassigned": None,
        "assigned": True,
        "on": "running",
        "rebuilt": "ubuntu-24.04",
        "gone": [None, "not_found"],
        "address stays": None,
        "left": [0, 0, 0],
    }
    world = sandbox.status()
    assert [world[name] for name in ("servers", "primary_ips", "ssh_keys")] == [[], [], []]
    assert all("RateLimit-Remaining" in told for *_, told, _ in heard)
    checked("hetzner-cloud.reduced.openapi.json", "/v1", None, heard)


def test_an_operator_s_day_at_cloudflare(sandbox: SandboxProcess) -> None:
    with overheard(sandbox.address["cloudflare"]) as (base, heard):
        token = sandbox.address["cloudflare_token"]
        seen = run("cloudflare_script.py", CLOUDFLARE_BASE_URL=base, CLOUDFLARE_API_TOKEN=token)
    assert seen == {
        "token": "active",
        "zones": ["example.com", "example.com.br", "livchat.localhost", "pending.example.net"],
        "zone": ["example.com", "active", 2],
        "page": [5, 1, 5, True],
        "second page": ["app05.example.com"],
        "all": 23,
        "by name": 1,
        "by beginning": 10,
        "by content": 1,
        "by comment": 11,
        "by kind": 0,
        "any": 2,
        "updated": ["198.18.1.1", 1, None],
        "edited": ["198.18.1.1", "edited"],
        "got": "edited",
        "alias": ["www.example.com", True],
        "text": ["example.com", '"v=spf1 -all"'],
        "same": ["BadRequestError", 400, 81058],
        "beside an alias": ["BadRequestError", 400, 81053],
        "no address": ["BadRequestError", 400, 1004],
        "no such kind": ["BadRequestError", 400, 1004],
        "no such record": ["NotFoundError", 404, 81044],
        "no such zone": ["NotFoundError", 404, 7003],
        "wrong token": ["PermissionDeniedError", 403, 9109],
        "left": 0,
    }
    checked(
        "cloudflare.reduced.openapi.json",
        "/client/v4",
        "dns-records_api-response-common-failure",
        # The description knows no refusal of the whole account.
        [one for one in heard if one[2] != 403],
        "dns-records_comment",
    )


def checked(
    name: str,
    base: str,
    failure: str | None,
    heard: list[tuple[str, str, int, Any, bytes]],
    *nullable: str,
) -> None:
    """Hold every answer against the vendor's description, where it is at hand."""
    assert len(heard) > 50
    if not (SPECS / name).exists():
        pytest.skip(f"{name} is not at hand: the answers are not checked")
    description = Description(name, base, failure)
    for schema in nullable:
        description.may_be_null(schema)
    for method, path, status, _, content in heard:
        description.check(method, path, status, content)
    assert len(description.seen) > 5
