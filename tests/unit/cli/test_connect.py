"""Reaching the daemon over TCP: its address, its token, and answers that are errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from livchat.cli.session.connect import connect, may_start, reach
from livchat.errors import Conflict, DaemonUnreachable, LivChatError, Unauthorized


class Answers(BaseHTTPRequestHandler):
    """Answers with what it was asked, or with an error by the path."""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        told: Any = {"authorization": self.headers["Authorization"], "path": self.path}
        status = 200
        if "taken" in self.path:
            status, told = (
                409,
                {"error": "it is taken", "code": "conflict", "details": {"job": "x"}},
            )
        elif "strange" in self.path:
            status, told = 500, "<html>"
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    token = tmp_path / "token"
    token.write_text("tok-123\n")
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("LIVCHAT_URL", url)
    monkeypatch.setenv("LIVCHAT_TOKEN_FILE", str(token))
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_token_of_the_file_goes_with_every_request(address: str) -> None:
    client = connect()
    assert client.health() == {"authorization": "Bearer tok-123", "path": "/health"}
    client.close()


def test_names_cannot_leave_their_place_in_the_path(address: str) -> None:
    client = connect()
    assert client.server("../jobs?x=1")["path"] == "/api/servers/..%2Fjobs%3Fx%3D1"
    assert client.jobs(status="failed", type=None)["path"] == "/api/jobs?status=failed"
    client.close()


def test_an_error_answer_is_raised_as_the_class_of_its_code(address: str) -> None:
    client = connect()
    with pytest.raises(Conflict, match="it is taken") as refused:
        client.server("taken")
    assert refused.value.details == {"job": "x"}
    with pytest.raises(LivChatError, match="500 without a reason"):
        client.server("strange")
    client.close()


def test_an_address_or_a_token_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIVCHAT_URL", "unix:///run/x")
    with pytest.raises(DaemonUnreachable, match="LIVCHAT_URL"):
        reach()
    monkeypatch.setenv("LIVCHAT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LIVCHAT_TOKEN_FILE", str(tmp_path / "nothing"))
    with pytest.raises(Unauthorized, match="LIVCHAT_TOKEN_FILE"):
        reach()
    assert not may_start()
