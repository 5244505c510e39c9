"""Who may call: every route by every wrong caller, the token's life, and clients that are slow."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - a file is looked at each second, bounded
from typing import Any

import pytest

from livchatd.api.middleware.auth import Access
from livchatd.api.middleware.auth_throttle import MAX_FAILURES
from livchatd.api.routes import ROUTES, Route
from tests.integration.daemon_process import Answer, DaemonProcess, running

NAMES = {"job_id": "job_20260101_000000_000000000000", "name": "a", "app_name": "n8n", "key": "k"}
IDS = [f"{route.method} {route.path}" for route in ROUTES]
CLOSED = [route for route in ROUTES if route.access is not Access.OPEN]
PEERS = itertools.count(1)

WRONG: dict[str, tuple[dict[str, str], int, str]] = {
    "no token": ({"Authorization": ""}, 401, "unauthorized"),
    "wrong token": ({"Authorization": "Bearer " + "x" * 43}, 401, "unauthorized"),
    "wrong scheme": ({"Authorization": "Basic eDp5"}, 401, "unauthorized"),
    "token of odd bytes": ({"Authorization": "Bearer \xff\xfe"}, 401, "unauthorized"),
    "foreign Host": ({"Host": "evil.example"}, 403, "forbidden"),
    "rebound Host": ({"Host": "127.0.0.1.evil.example:8475"}, 403, "forbidden"),
    "Origin": ({"Origin": "https://evil.example"}, 403, "forbidden"),
    "own Origin": ({"Origin": "http://127.0.0.1"}, 403, "forbidden"),
    "null Origin": ({"Origin": "null"}, 403, "forbidden"),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d"), "--tcp", "127.0.0.1:0") as started:
        yield started


def token_of(daemon: DaemonProcess) -> str:
    return (daemon.home / "config" / "token").read_text().strip()


def over_tcp(
    daemon: DaemonProcess, method: str, path: str, headers: dict[str, str], peer: str = "127.0.0.1"
) -> Answer:
    """A request over TCP with the right token, but for what `headers` say."""
    host, _, port = daemon.lock["tcp"].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20, source_address=(peer, 0))
    right = {} if "Authorization" in headers else {"Authorization": f"Bearer {token_of(daemon)}"}
    sent = {**right, **headers}
    try:
        connection.request(method, path, headers={k: v for k, v in sent.items() if v})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def another() -> str:
    """A peer that has not failed before."""
    number = next(PEERS)
    return f"127.{number // 62500 + 1}.{number // 250 % 250}.{number % 250 + 1}"


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_every_route_refuses_every_wrong_caller(
    daemon: DaemonProcess, route: Route, wrong: str
) -> None:
    headers, status, code = WRONG[wrong]
    path = route.path.format(**NAMES)
    answer = over_tcp(daemon, route.method, path, headers, another())
    if route.access is Access.OPEN and status == 401:
        assert answer.status == 200
        return
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert token_of(daemon).encode() not in answer.raw
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_a_method_that_is_no_route_is_refused_too(daemon: DaemonProcess, method: str) -> None:
    for headers, status in (({"Authorization": ""}, 401), ({"Origin": "http://x"}, 403)):
        assert over_tcp(daemon, method, "/api/servers", headers, another()).status == status


def test_what_is_not_there_is_not_told_to_a_stranger(daemon: DaemonProcess) -> None:
    answer = over_tcp(daemon, "GET", "/api/nothing", {"Authorization": ""})
    assert answer.status == 401


def test_nothing_that_was_refused_has_changed_anything(daemon: DaemonProcess) -> None:
    assert daemon.request("GET", "/api/jobs").json["total"] == 0
    assert daemon.request("GET", "/api/secrets").json["total"] == 0


def test_the_right_token_is_let_in_and_named_in_the_job(daemon: DaemonProcess) -> None:
    assert over_tcp(daemon, "GET", "/api/jobs", {"Host": "localhost:1"}).status == 200
    assert over_tcp(daemon, "POST", "/api/init", {}).status == 200
    assert _audit(daemon)[-1][:2] == ("token", "system_init")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_on_the_socket_by_every_route(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Somebody who got past the folder's and the socket's mode still is not the owner.
    with running(tmp_path_factory.mktemp("u")) as daemon:
        _open_up(daemon.socket)
        asked = [(route.method, route.path.format(**NAMES)) for route in ROUTES]
        program = f"""
import http.client, json, os, socket, sys
os.setgid(65534); os.setuid(65534)
told = []
for method, path in json.loads(sys.argv[1]):
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect({str(daemon.socket)!r})
    connection.request(method, path)
    answer = connection.getresponse()
    told.append([answer.status, json.loads(answer.read())["code"]])
print(json.dumps(told))
"""
        done = subprocess.run(
            [sys.executable, "-c", program, json.dumps(asked)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert json.loads(done.stdout) == [[403, "forbidden"]] * len(ROUTES)


def test_who_guesses_is_not_listened_to_any_more(daemon: DaemonProcess) -> None:
    peer, other = another(), another()
    wrong = {"Authorization": "Bearer " + "y" * 43}
    told = [over_tcp(daemon, "GET", "/api/jobs", wrong, peer) for _ in range(MAX_FAILURES + 2)]
    assert [answer.status for answer in told] == [401] * MAX_FAILURES + [429] * 2
    assert told[-1].json["code"] == "rate_limited"
    assert 1 <= int(told[-1].headers["Retry-After"]) <= 60
    # Also a right guess: else there would be no limit. Others are not concerned.
    assert over_tcp(daemon, "GET", "/api/jobs", {}, peer).status == 429
    assert over_tcp(daemon, "GET", "/api/jobs", {}, other).status == 200
    assert over_tcp(daemon, "GET", "/openapi.json", wrong, peer).status == 200
    assert f"too many wrong tokens from {peer}" in daemon.log.read_text()


def test_a_new_token_counts_and_the_old_one_no_more(daemon: DaemonProcess) -> None:
    path = daemon.home / "config" / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old = token_of(daemon)
    fresh = path.with_name("token.new")
    fresh.write_text("z" * 40 + "\n")
    fresh.replace(path)
    assert _becomes(daemon, {"Authorization": f"Bearer {old}"}, 401)
    assert over_tcp(daemon, "GET", "/api/jobs", {}, another()).status == 200
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    assert _becomes(daemon, {"Authorization": "Bearer " + "z" * 40}, 401)
    assert len(token_of(daemon)) >= 43
    assert over_tcp(daemon, "GET", "/api/jobs", {}, another()).status == 200


def test_without_tcp_there_is_no_token_and_no_port(tmp_path: Path) -> None:
    with running(tmp_path / "d") as daemon:
        assert daemon.lock["tcp"] is None
        assert not (daemon.home / "config" / "token").exists()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["long field", "long path", "many fields", "TLS", "negative length", "two lengths"],
)
def test_a_head_that_is_none_is_refused_in_few_words(daemon: DaemonProcess, head: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(daemon.socket))
        client.sendall(head)
        told = b""
        while data := client.recv(65536):
            told += data
    assert re.match(rb"HTTP/1\.[01] 400 ", told)
    assert json.loads(told.partition(b"\r\n\r\n")[2])["code"] == "bad_request"
    assert "Traceback" not in daemon.log.read_text()


def test_a_body_that_is_packed_small_may_not_be_large(daemon: DaemonProcess) -> None:
    import gzip

    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(b" " * 50_000_000)
    answer = daemon.request("POST", "/api/servers", body, headers)
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def _becomes(daemon: DaemonProcess, headers: dict[str, str], status: int) -> bool:
    deadline = monotonic() + 20
    while monotonic() < deadline:
        if over_tcp(daemon, "GET", "/api/jobs", headers, another()).status == status:
            return True
        sleep(0.2)
    return False


def _open_up(path: Path) -> None:
    path.chmod(0o666)
    for folder in path.parents:
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)


def _audit(daemon: DaemonProcess) -> list[Any]:
    import sqlite3

    table = sqlite3.connect(daemon.home / "state" / "livchat.db", timeout=10)
    try:
        return table.execute("SELECT caller, action, target, status FROM audit").fetchall()
    finally:
        table.close()
