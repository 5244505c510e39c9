"""The daemon as a process: one of a kind, quick to stop, jobs that outlive it, streams, TCP."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any

import pytest

from livchat.errors import Invalid, LivChatError
from livchat.wire.jobs import apply
from tests.integration.daemon_process import DaemonProcess, UnixConnection, running

SERVER = {"name": "prod-01", "provider": "sandbox"}
KEY = "a-key-of-a-test"


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
    assert daemon.lock == {"pid": pid, "version": daemon.client.health()["version"], "tcp": None}


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
        "import sys; import livchatd.main;"
        "print([m for m in ('hcloud', 'cloudflare', 'asyncssh', 'cryptography', 'jsonschema')"
        " if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=daemon.environment, capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]"


def test_a_server_is_made_and_deleted_and_nothing_stays(daemon: DaemonProcess) -> None:
    job = daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    assert (job["status"], job["error"]) == ("completed", None)
    server = daemon.request("GET", "/api/servers/prod-01").json
    assert server["status"] == "running"
    assert server["ip_address"]
    assert daemon.request("GET", "/api/servers").json["total"] == 1
    job = daemon.wait(daemon.submit("DELETE", "/api/servers/prod-01"))
    assert (job["status"], job["left_behind"]) == ("completed", [])
    left = daemon.sandbox("status")
    assert [left[what] for what in ("servers", "primary_ips", "ssh_keys")] == [[], [], []]
    assert daemon.request("GET", "/api/servers/prod-01").status == 404


def test_an_answer_of_202_names_the_job(daemon: DaemonProcess) -> None:
    answer = daemon.request("POST", "/api/servers", SERVER)
    assert answer.status == 202
    assert answer.headers["Location"] == f"/api/jobs/{answer.json['job_id']}"
    assert answer.json["server_name"] == "prod-01"
    assert answer.json["message"] == "Create server prod-01: accepted"
    job = daemon.request("GET", answer.headers["Location"]).json
    assert job["summary"] == "Create server prod-01"
    assert job["type"] == "create_server"
    daemon.wait(job["job_id"])


def test_a_name_that_is_taken_is_a_conflict_that_names_the_job(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    answer = daemon.request("POST", "/api/servers", SERVER)
    assert answer.status == 409
    assert answer.json["details"]["server"] == "prod-01"
    assert answer.json["details"]["job_id"] in {job_id, None}
    daemon.wait(job_id)
    assert daemon.request("POST", "/api/servers", SERVER).status == 409


def test_of_twenty_creates_of_one_name_one_is_taken(daemon: DaemonProcess) -> None:
    daemon.request("GET", "/api/providers/images?provider=sandbox")
    answers = _at_once(20, lambda _: daemon.request("POST", "/api/servers", SERVER))
    assert sorted(answer.status for answer in answers) == [202] + [409] * 19
    job_id = next(a.json["job_id"] for a in answers if a.status == 202)
    assert daemon.wait(job_id)["status"] == "completed"
    assert len(daemon.sandbox("status")["servers"]) == 1


def test_the_same_key_twenty_times_at_once_makes_one_job(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    answers = _at_once(20, lambda _: daemon.request("POST", "/api/servers", SERVER, headers))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.raw for answer in answers}) == 1
    replayed = [a for a in answers if a.headers.get("Idempotency-Replayed") == "true"]
    assert len(replayed) == 19
    assert {a.headers["Location"] for a in answers} == {f"/api/jobs/{answers[0].json['job_id']}"}
    assert daemon.request("GET", "/api/jobs").json["total"] == 1
    daemon.wait(answers[0].json["job_id"])


def test_a_key_used_again_for_another_request_is_refused(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER, **{"Idempotency-Key": KEY})
    other = {"name": "prod-02", "provider": "sandbox"}
    answer = daemon.request("POST", "/api/servers", other, {"Idempotency-Key": KEY})
    assert answer.status == 422
    answer = daemon.request("POST", "/api/init", {}, {"Idempotency-Key": KEY})
    assert answer.status == 422
    daemon.wait(job_id)


def test_a_key_counts_however_the_body_is_spaced_and_after_a_restart(
    daemon: DaemonProcess,
) -> None:
    headers = {"Idempotency-Key": KEY, "Content-Type": "application/json"}
    first = daemon.request("POST", "/api/servers", SERVER, headers)
    daemon.wait(first.json["job_id"])
    daemon.restart()
    spaced = json.dumps(dict(reversed(SERVER.items())), indent=3).encode()
    again = daemon.request("POST", "/api/servers", spaced, headers)
    assert (again.status, again.raw) == (202, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_key_counts_for_what_starts_no_job_too(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    first = daemon.request("POST", "/api/init", {}, headers)
    again = daemon.request("POST", "/api/init", {}, headers)
    assert first.json["data"]["config_dir"] == str(daemon.home / "config")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.raw == first.raw


def test_a_refused_request_may_be_sent_again_with_its_key(daemon: DaemonProcess) -> None:
    headers = {"Idempotency-Key": KEY}
    body = {"zone_name": "example.com", "ssl_email": "me@example.com"}
    path = "/api/servers/prod-01/setup"
    assert daemon.request("POST", path, body, headers).status == 404
    daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    assert daemon.request("POST", path, body, headers).status == 202


def test_what_the_provider_does_not_have_is_refused_before_a_job(daemon: DaemonProcess) -> None:
    for field, value in (("server_type", "cx999"), ("region", "mars1"), ("image", "debian-1")):
        answer = daemon.request("POST", "/api/servers", {**SERVER, field: value})
        assert (answer.status, answer.json["code"]) == (422, "invalid")
        assert answer.json["details"]["fields"][0]["field"] == field
    assert daemon.request("GET", "/api/jobs").json["total"] == 0
    answer = daemon.request("POST", "/api/servers", {"name": "a", "provider": "azure"})
    assert answer.json["details"]["fields"][0]["field"] == "provider"
    answer = daemon.request("POST", "/api/servers", {"name": "a", "provider": "hetzner"})
    assert (answer.status, answer.json["code"]) == (503, "not_configured")
    assert answer.json["hint"] == "livchat config provider hetzner"


def test_a_zone_that_cannot_be_used_is_refused_before_a_job(daemon: DaemonProcess) -> None:
    body = {"apps": ["n8n"], "server": "demo", "zone_name": "nowhere.example.org"}
    answer = daemon.request("POST", "/api/up", body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == "zone_name"
    assert "livchat.localhost" in answer.json["error"]
    answer = daemon.request("POST", "/api/up", {**body, "zone_name": "pending.example.net"})
    assert answer.status == 422
    assert "pending" in answer.json["error"]
    assert daemon.request("GET", "/api/jobs").json["total"] == 0


def test_a_plan_tells_everything_and_does_nothing(daemon: DaemonProcess) -> None:
    body = {
        "apps": ["n8n"], "server": "demo", "zone_name": "livchat.localhost", "subdomain": "lab"
    }  # fmt: skip
    first = daemon.request("POST", "/api/up?plan=true", body)
    again = daemon.request("POST", "/api/up?plan=true", body)
    assert first.status == 200
    assert first.json["hash"] == again.json["hash"]
    assert first.json["apps"] == ["postgres", "redis", "n8n"]
    assert float(first.json["price_monthly"]) > 0
    assert first.json["urls"]["n8n"].endswith(".lab.livchat.localhost/")
    assert all(record.endswith(".lab.livchat.localhost") for record in first.json["records"])
    assert first.json["estimated_seconds"] > 0
    other = daemon.request("POST", "/api/up?plan=true", {**body, "subdomain": "x"})
    assert other.json["hash"] != first.json["hash"]
    left = daemon.sandbox("status")
    assert (left["servers"], left["primary_ips"], left["dns_records"]) == ([], [], [])
    assert daemon.request("GET", "/api/servers").json["total"] == 0


def test_an_app_needs_a_server_that_is_set_up(daemon: DaemonProcess) -> None:
    daemon.wait(daemon.submit("POST", "/api/servers", SERVER))
    answer = daemon.request("POST", "/api/servers/prod-01/apps", {"app_name": "n8n"})
    assert answer.status == 409
    assert answer.json["hint"].startswith("livchat server setup prod-01")


def test_a_token_is_tried_before_it_is_kept(daemon: DaemonProcess) -> None:
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    daemon.stop()
    daemon.environment["HCLOUD_ENDPOINT"] = told["hetzner"]
    daemon.start()
    path, body = "/api/config/provider", {"name": "hetzner", "token": "a-token-that-is-wrong"}
    answer = daemon.request("POST", path, body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == "token"
    assert daemon.request("GET", "/api/providers/locations?provider=hetzner").status == 503
    assert daemon.request("POST", path, {**body, "token": told["token"]}).status == 200
    assert daemon.request("GET", "/api/providers/server-types").json["provider"] == "hetzner"
    daemon.restart()
    assert daemon.request("GET", "/api/providers/server-types").json["provider"] == "hetzner"
    assert daemon.request("POST", path, {**body, "verify": False}).status == 200
    answer = daemon.request("GET", "/api/providers/locations")
    assert (answer.status, answer.json["code"]) == (502, "provider_error")
    everything = b"".join(p.read_bytes() for p in daemon.home.rglob("*") if p.is_file())
    assert b"a-token-that-is-wrong" not in everything


def test_a_token_is_taken_only_where_one_is_needed(daemon: DaemonProcess) -> None:
    body = {"name": "sandbox", "token": "x"}
    answer = daemon.request("POST", "/api/config/provider", body)
    assert answer.status == 422


def test_snapshot_and_events_give_what_get_gives(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    job = daemon.request("GET", f"/api/jobs/{job_id}").json
    last = 0
    for event in _follow(daemon, f"/api/jobs/{job_id}/events?after={job['cursor']}"):
        assert event["data"]["seq"] > last
        last = event["data"]["seq"]
        job = apply(job, event["data"], event["id"])
    after = daemon.request("GET", f"/api/jobs/{job_id}").json
    assert after["status"] == "completed"
    assert {**job, "cursor": ""} == {**after, "cursor": ""}


def test_both_encodings_tell_the_same(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    daemon.wait(job_id)
    lines = list(_follow(daemon, f"/api/jobs/{job_id}/events"))
    answer = daemon.request("GET", f"/api/jobs/{job_id}/events")
    assert answer.headers["Content-Type"] == "text/event-stream"
    frames = [frame.split("\n") for frame in answer.raw.decode().split("\n\n") if frame]
    told = [
        {
            "id": frame[0].removeprefix("id: "),
            "event": frame[1].removeprefix("event: "),
            "data": json.loads(frame[2].removeprefix("data: ")),
        }
        for frame in frames
    ]
    assert told == lines
    assert lines[-1]["event"] == "end"
    middle = lines[len(lines) // 2]["id"]
    resumed = daemon.request("GET", f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": middle})
    assert resumed.raw.decode().count("id: ") == len(lines) - len(lines) // 2 - 1


def test_a_cursor_of_another_table_is_gone(daemon: DaemonProcess) -> None:
    for path in ("/api/events?after=deadbeef-1", "/api/events?after=nonsense"):
        answer = daemon.request("GET", path)
        assert answer.json["code"] in {"cursor_gone", "invalid"}
        assert answer.status in {410, 422}


def test_open_streams_and_waits_do_not_hold_the_daemon(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=1) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        opened = [_open(daemon, path) for path in ("/api/events", f"/api/jobs/{job_id}/events") * 5]
        waiting = UnixConnection(daemon.socket)
        waiting.request("GET", f"/api/jobs/{job_id}/wait?timeout=300")
        _until_at_work(daemon, job_id)
        assert daemon.stop() == 0
        for connection, response in opened:
            # The last chunk is there: the stream was ended, not cut.
            response.read()
            connection.close()
        answer = waiting.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["job_id"] == job_id
        waiting.close()


def test_a_stream_ends_whole_when_the_daemon_stops(daemon: DaemonProcess) -> None:
    connection, response = _open(daemon, "/api/events")
    daemon.stop()
    assert response.read() == b""
    connection.close()


def test_a_job_goes_on_after_the_daemon_was_killed(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=0.05) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        _until_at_work(daemon, job_id)
        daemon.kill()
        daemon.start()
        job = daemon.wait(job_id)
        assert (job["status"], job["error"]) == ("completed", None)
        assert len(daemon.sandbox("status")["servers"]) == 1


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


def test_the_last_page_of_jobs_names_no_next_one(daemon: DaemonProcess) -> None:
    for number in range(3):
        body = {"name": f"s-{number}", "provider": "sandbox"}
        daemon.wait(daemon.submit("POST", "/api/servers", body))
    first = daemon.request("GET", "/api/jobs?limit=2").json
    assert [job["server"] for job in first["jobs"]] == ["s-2", "s-1"]
    assert first["total"] == 3
    rest = daemon.request("GET", f"/api/jobs?limit=2&cursor={first['next_cursor']}").json
    assert ([job["server"] for job in rest["jobs"]], rest["next_cursor"]) == (["s-0"], None)
    assert daemon.request("GET", "/api/jobs?status=failed").json["jobs"] == []
    assert daemon.request("GET", "/api/jobs?server=s-1").json["total"] == 1
    kept = daemon.request("DELETE", "/api/jobs?older_than=1d").json
    assert kept["data"] == {"removed": 0}
    assert daemon.request("DELETE", "/api/jobs?older_than=0s").json["data"] == {"removed": 3}
    assert daemon.request("DELETE", "/api/jobs?older_than=soon").status == 422


def test_an_ended_job_is_not_cancelled_and_not_retried(daemon: DaemonProcess) -> None:
    job_id = daemon.submit("POST", "/api/servers", SERVER)
    daemon.wait(job_id)
    for method, path in (("DELETE", ""), ("POST", "/retry")):
        answer = daemon.request(method, f"/api/jobs/{job_id}{path}")
        assert answer.status == 409
        assert answer.json["details"]["job_id"] == job_id


def test_a_cancelled_job_takes_back_what_it_bought(tmp_path: Path) -> None:
    with running(tmp_path / "d", scale=1) as daemon:
        job_id = daemon.submit("POST", "/api/servers", SERVER)
        _until_at_work(daemon, job_id)
        answer = daemon.request("DELETE", f"/api/jobs/{job_id}")
        assert (answer.status, answer.json["success"]) == (200, True)
        job = daemon.wait(job_id)
        assert (job["status"], job["rollback"]) == ("cancelled", "clean")
        left = daemon.sandbox("status")
        assert (left["servers"], left["primary_ips"], left["ssh_keys"]) == ([], [], [])
        assert daemon.request("GET", "/api/servers").json["total"] == 0
        again = daemon.request("POST", f"/api/jobs/{job_id}/retry")
        assert (again.status, again.json["retry_of"]) == (202, job_id)
        daemon.request("DELETE", f"/api/jobs/{again.json['job_id']}")
        daemon.wait(again.json["job_id"])


def test_errors_cross_the_wire_and_stay_themselves(daemon: DaemonProcess) -> None:
    with pytest.raises(Invalid) as caught:
        daemon.client.create_server({"name": "Not A Name"})
    assert isinstance(caught.value, LivChatError)
    assert caught.value.details["fields"][0]["field"] == "name"


def _at_once(count: int, ask: Any) -> list[Any]:
    answers: list[Any] = [None] * count

    def one(number: int) -> None:
        answers[number] = ask(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def _open(daemon: DaemonProcess, path: str) -> tuple[UnixConnection, http.client.HTTPResponse]:
    connection = UnixConnection(daemon.socket)
    connection.request("GET", path)
    return connection, connection.getresponse()


def _follow(daemon: DaemonProcess, path: str) -> Iterator[dict[str, Any]]:
    connection = UnixConnection(daemon.socket)
    try:
        connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        while line := response.readline():
            if line.strip():
                yield json.loads(line)
    finally:
        connection.close()


def _until_at_work(daemon: DaemonProcess, job_id: str) -> None:
    """Return once the machine is being waited for: bought, and not there yet."""
    deadline = monotonic() + 30
    while monotonic() < deadline:
        done = daemon.request("GET", f"/api/jobs/{job_id}").json["steps_completed"]
        if "Create the machine" in done:
            return
        sleep(0.02)
    raise AssertionError(f"{job_id} does not get to its machine")


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
