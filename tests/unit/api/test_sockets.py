"""Locks, sockets and tokens, as the daemon takes them."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from livchat.errors import Conflict, InvalidRequest, LivChatError
from livchatd.api.listener import sockets


def test_a_lock_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = sockets.Lock(path)
    with pytest.raises(sockets.AlreadyRunning) as told:
        sockets.Lock(path)
    assert told.value.pid == os.getpid()
    first.write_holder("127.0.0.1:8475")
    assert json.loads(path.read_text())["tcp"] == "127.0.0.1:8475"
    first.release()
    assert path.read_text() == ""
    sockets.Lock(path).release()


def test_a_lock_with_a_strange_file_is_still_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = sockets.Lock(path)
    path.write_text('{"pid": "x"}')
    with pytest.raises(sockets.AlreadyRunning, match="pid unknown"):
        sockets.Lock(path)
    lock.release()


def test_a_unix_socket_is_private_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "s"
    dead = sockets.unix(path)
    dead.socket.close()
    made = sockets.unix(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    dead.remove()
    assert path.exists(), "it is not the dead one's any more"
    made.remove()
    assert not path.exists()
    made.remove()
    made.socket.close()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(LivChatError, match="no socket"):
        sockets.unix(path)
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises((LivChatError, OSError)):
        sockets.unix(tmp_path / ("x" * 120))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:0", ("127.0.0.1:",)),
        ("localhost:0", ("127.0.0.1:", "[::1]:")),  # as its resolver prefers
        ("[::1]:0", ("[::1]:",)),
    ],
)
def test_tcp_on_loopback_needs_no_tls(address: str, told: tuple[str, ...]) -> None:
    if "::1" in address and not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    try:
        listener = sockets.tcp(address, tls=False)
    except Conflict:
        pytest.skip(f"{address} is not here")
    with listener:
        assert sockets.address_text(listener).startswith(told)


@pytest.mark.parametrize("address", ["0.0.0.0:1", "example.com:1", "10.0.0.1:1"])
def test_tcp_from_elsewhere_needs_tls(address: str) -> None:
    with pytest.raises(InvalidRequest, match="needs TLS"):
        sockets.tcp(address, tls=False)


@pytest.mark.parametrize("address", ["", ":1", "host", "host:", "host:x", "host:70000", "host:-1"])
def test_an_address_has_host_and_port(address: str) -> None:
    with pytest.raises(InvalidRequest, match="HOST:PORT"):
        sockets.tcp(address, tls=True)


def test_a_port_in_use_is_a_conflict() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Conflict, match="in use"):
        sockets.tcp(f"127.0.0.1:{taken.getsockname()[1]}", tls=False)


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    made = sockets.token(path)
    assert len(made) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert sockets.token(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "short\n"])
def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(LivChatError, match="no token"):
        sockets.token(path)


def test_sockets_that_were_passed_to_another_process_are_not_ours() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "OTHER": "stays"}
    assert sockets.systemd_sockets(environment) == []
    assert environment == {"OTHER": "stays"}


@pytest.mark.parametrize("name", ["{folder}/notify", "@livchat-test-{folder}"])
def test_systemd_is_notified_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    address = name.format(folder=tmp_path)
    with _datagrams(address.replace("@", "\0", 1)) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        sockets.notify("READY=1")
        sockets.notify("STOPPING=1")
        assert [systemd.recv(64), systemd.recv(64)] == [b"READY=1", b"STOPPING=1"]


def test_nothing_is_sent_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with _datagrams(str(tmp_path / "other")) as other:
        other.settimeout(0)
        for address in (None, "", str(tmp_path / "nobody"), f"@livchat-test-{tmp_path}/nobody"):
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
            if address is not None:
                monkeypatch.setenv("NOTIFY_SOCKET", address)
            sockets.notify("READY=1")
        with pytest.raises(BlockingIOError):
            other.recv(64)
    assert not (tmp_path / "nobody").exists()


def _datagrams(address: str) -> socket.socket:
    """A socket bound to this address, as systemd's is."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.settimeout(5)
    bound.bind(address)
    return bound
