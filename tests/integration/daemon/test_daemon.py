"""The daemon as a process: one of a kind, quick to stop, TCP, systemd's sockets."""

from __future__ import annotations

import http.client
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops

import pytest

from tests.integration.daemon_process import DaemonProcess, running

SERVER = {"name": "prod-01", "provider": "sandbox"}


def test_the_socket_is_for_its_owner_alone(daemon: DaemonProcess) -> None:
    found = daemon.socket.stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_IMODE(daemon.socket.parent.stat().st_mode) == 0o700


def test_a_second_daemon_says_so_and_ends_with_0(daemon: DaemonProcess) -> None:
    second = daemon.spawn()
    assert second.wait(20) == 0
    pid = daemon.process.pid if daemon.process else 0
    assert f"already running (pid {pid})" in daemon.log.read_text()
    assert daemon.request("GET", "/health").status == 200
    version = daemon.request("GET", "/health").json["version"]
    assert daemon.lock == {"pid": pid, "version": version, "tcp": None}


def test_of_many_started_at_once_one_stays(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path / "d")
    started = [daemon.spawn() for _ in range(4)]
    try:
        deadline = monotonic() + 30
        while monotonic() < deadline and sum(p.poll() is None for p in started) > 1:
            sleep(0.02)
        assert sorted(str(p.poll()) for p in started) == ["0", "0", "0", "None"]
        alive = next(p for p in started if p.poll() is None)
        assert daemon.lock["pid"] == alive.pid
        assert daemon.request("GET", "/health").status == 200
    finally:
        for process in started:
            process.terminate()
            process.wait(20)


def test_a_socket_left_by_a_killed_daemon_is_replaced(daemon: DaemonProcess) -> None:
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.request("GET", "/health").json["status"] == "ok"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_daemon_leaves_no_socket_and_names_nobody(
    daemon: DaemonProcess, number: int
) -> None:
    assert daemon.stop(number) == 0
    assert not daemon.socket.exists()
    assert (daemon.home / "state" / "livchatd.lock").read_text() == ""


def test_a_daemon_whose_socket_was_replaced_leaves_the_other_alone(daemon: DaemonProcess) -> None:
    daemon.socket.unlink()
    daemon.socket.write_text("not ours")
    assert daemon.stop() == 0
    assert daemon.socket.read_text() == "not ours"


def test_nothing_heavy_is_loaded_at_the_start(daemon: DaemonProcess) -> None:
    program = (
        "import sys; import livchatd.daemon;"
        "print([m for m in ('hcloud', 'cloudflare', 'asyncssh', 'cryptography', 'jsonschema')"
        " if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=daemon.environment, capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]"


def test_over_tcp_a_token_and_a_known_host_are_needed(tmp_path: Path) -> None:
    with running(tmp_path / "d", "--tcp", "127.0.0.1:0") as daemon:
        address = daemon.lock["tcp"]
        path = daemon.home / "config" / "token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        token = {"Authorization": f"Bearer {path.read_text().strip()}"}
        assert _tcp(address, "/api/jobs", token) == 200
        assert _tcp(address, "/api/jobs", {}) == 401
        assert _tcp(address, "/health", {}) == 401
        assert _tcp(address, "/nothing", {}) == 401
        assert _tcp(address, "/docs", {}) == 200
        assert _tcp(address, "/api/jobs", {"Authorization": "Bearer wrong"}) == 401
        assert _tcp(address, "/api/jobs", {"Authorization": "Bearer \xff\xfe"}) == 401
        assert _tcp(address, "/api/jobs", {**token, "Host": "evil.example.com"}) == 403
        assert _tcp(address, "/docs", {"Host": "evil.example.com"}) == 403
        assert _tcp(address, "/api/jobs", {**token, "Origin": "http://127.0.0.1"}) == 403
        assert _tcp(address, "/api/jobs", {**token, "Host": "LOCALHOST:1"}) == 200
        before = path.read_text()
        daemon.restart()
        assert path.read_text() == before


def test_the_unix_socket_takes_no_page_of_a_browser(daemon: DaemonProcess) -> None:
    answer = daemon.request("GET", "/api/jobs", headers={"Origin": "https://evil.example.com"})
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:0", "nonsense", "127.0.0.1:99999"])
def test_tcp_from_elsewhere_needs_tls(tmp_path: Path, address: str) -> None:
    daemon = DaemonProcess(tmp_path / "d", "--tcp", address)
    process = daemon.spawn()
    try:
        assert process.wait(20) == 2
    finally:
        process.kill()
    last = daemon.log.read_text().splitlines()
    assert last[-2].startswith("error: --tcp:")
    assert last[-1].startswith("hint: ")


def test_a_socket_of_systemd_is_used_and_left_in_place(tmp_path: Path) -> None:
    if not Path("/usr/bin/systemd-socket-activate").exists():
        pytest.skip("systemd-socket-activate is not here")
    daemon = DaemonProcess(tmp_path / "d")
    daemon.socket.parent.mkdir(parents=True, mode=0o700)
    command = ["/usr/bin/systemd-socket-activate", "-l", str(daemon.socket)]
    command += [f"-E{name}" for name in ("LIVCHAT_HOME", "PYTHONPATH")]
    daemon.process = subprocess.Popen(
        [*command, sys.executable, "-m", "livchatd"],
        env=daemon.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = monotonic() + 20
        while monotonic() < deadline and not daemon.socket.exists():
            sleep(0.02)
        assert daemon.request("GET", "/api/jobs").status == 200
        assert daemon.stop() == 0
        assert daemon.socket.exists()
    finally:
        daemon.end()


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    where = tmp_path / "n.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(where))
        listener.settimeout(20)
        with running(tmp_path / "d", NOTIFY_SOCKET=str(where)) as daemon:
            assert listener.recv(100) == b"READY=1"
            daemon.stop()
            assert listener.recv(100) == b"STOPPING=1"


def test_a_damaged_table_is_told_and_left_alone(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path / "d")
    (daemon.home / "state").mkdir(parents=True)
    table = daemon.home / "state" / "livchat.db"
    table.write_bytes(b"not a table at all, " * 100)
    process = daemon.spawn()
    assert process.wait(20) != 0
    assert "error: cannot read" in daemon.log.read_text()
    assert "Traceback" not in daemon.log.read_text()
    assert table.read_bytes() == b"not a table at all, " * 100


def _tcp(address: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()
