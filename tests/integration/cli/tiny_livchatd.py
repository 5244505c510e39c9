"""A stand-in for the daemon: speaks the contract to the command line, with jobs from a script.

Run as `python -m livchatd`. What is committed of a job is in files, so that it survives kill -9.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - threads, not a loop
from typing import Any

Json = dict[str, Any]

HOME = Path(os.environ["LIVCHAT_HOME"])
STATE, SOCKET = HOME / "state", HOME / "run" / "livchatd.sock"
PACE = float(os.environ.get("TINY_PACE", "0.005"))
EPOCH = "5f0c2a9e"
STEPS = ["Order machine", "Wait for SSH", "Install Docker"]
AT = "2026-11-22T08:15:30Z"
LATER = "2026-11-22T08:15:42.300Z"


def first(job_id: str) -> Json:
    steps = [
        {
            "name": n,
            "status": "pending",
            "attempt": 0,
            "progress": None,
            "started_at": None,
            "completed_at": None,
            "error": None,
            "expected_seconds": 5.0,
        }
        for n in STEPS
    ]
    return {
        "job_id": job_id, "type": "create_server", "status": "queued", "summary": "Create prod-01",
        "server": "prod-01", "params": {}, "progress": 0, "current_step": None, "steps": steps,
        "steps_completed": [], "steps_remaining": STEPS, "created_at": AT, "started_at": None,
        "completed_at": None, "estimated_completion": None, "result": None, "error": None,
        "error_code": None, "hint": None, "waiting_for": None, "cancel_requested": False,
        "rollback": None, "left_behind": [], "retry_of": None, "logs": [], "cursor": f"{EPOCH}-0",
    }  # fmt: skip


def script(kind: str) -> list[tuple[str, Json]]:
    """The events of a job of this kind: (name, data)."""
    found: list[tuple[str, Json]] = [("job", {"job": {"status": "running", "started_at": AT}})]
    for place, name in enumerate(STEPS):
        step = {"name": name, "attempt": 1, "progress": None, "started_at": AT, "error": None,
                "expected_seconds": 5.0, "completed_at": None, "status": "running"}  # fmt: skip
        found.append(("step", {"step": step, "job": {"current_step": name}}))
        for turn in range(4):
            told = {"done": turn, "total": 4, "unit": "packages"}
            found.append(("progress", {"step": {**step, "progress": told},
                                       "job": {"progress": place * 33 + turn * 8}}))  # fmt: skip
            line = {
                "timestamp": AT,
                "level": "info",
                "step": name,
                "message": f"{name} \x1b[31m{turn}",
            }
            found.append(("log", {"log": line}))
        if kind != "completed" and place == 1:
            ended = {**step, "status": "failed", "completed_at": LATER, "error": "no route"}
            found.append(("step", {"step": ended}))
            break
        ended = {**step, "status": "completed", "completed_at": LATER}
        found.append(("step", {"step": ended, "job": {"progress": (place + 1) * 33}}))
    return [*found, ("end", {"job": ENDS[kind] | {"completed_at": LATER}})]


SUMMARY = (
    "job_id", "type", "status", "summary", "server", "progress", "current_step", "created_at",
    "started_at", "completed_at", "estimated_completion", "error", "error_code", "waiting_for",
    "cancel_requested", "rollback", "retry_of",
)  # fmt: skip
"""What of a job a list shows."""
SERVER: Json = {
    "name": "prod-01", "provider": "sandbox", "status": "ready", "apps": ["n8n"],
    "ip_address": "198.18.0.7", "created_at": AT,
}  # fmt: skip
PLAN: Json = {
    "hash": "abc", "server": {"provider": "hetzner"}, "apps": [], "steps": STEPS, "records": [],
    "urls": {}, "price_monthly": "5.49", "price_hourly": "0.01", "currency": "EUR",
    "estimated_seconds": 150,
}  # fmt: skip
RESULT: Json = {
    "server": {"name": "prod-01", "ip_address": "198.18.0.7"},
    "apps": [{"app_name": "n8n", "url": "http://edt.lab.livchat.localhost:8480/"}],
}
ENDS: dict[str, Json] = {
    "completed": {"status": "completed", "progress": 100, "result": RESULT},
    "failed": {"status": "failed", "error": "the server does not answer", "rollback": "clean"},
    "left": {"status": "failed", "error": "the server does not answer", "rollback": "partial",
             "left_behind": ["server prod-01 (5.49 EUR a month)"], "hint": "livchat job retry it"},
    "cancelled": {"status": "cancelled", "rollback": "clean"},
}  # fmt: skip


class Jobs:
    """What is committed of each job: a count of events in a file of its own."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        (STATE / "jobs").mkdir(parents=True, exist_ok=True)

    def add(self, kind: str) -> str:
        job_id = f"job_{kind}_{len(list((STATE / 'jobs').iterdir())) + 1}"
        (STATE / "jobs" / job_id).write_text("0")
        return job_id

    def committed(self, job_id: str) -> int:
        return int((STATE / "jobs" / job_id).read_text() or 0)

    def events(self, job_id: str) -> list[Json]:
        found = script(job_id.split("_")[1])
        return [
            {
                "id": f"{EPOCH}-{seq}",
                "event": name,
                "data": {"job_id": job_id, "seq": seq, "at": AT, **data},
            }
            for seq, (name, data) in enumerate(found, start=1)
        ]

    def job(self, job_id: str) -> Json:
        job = first(job_id)
        for event in self.events(job_id)[: self.committed(job_id)]:
            job = job | event["data"].get("job", {}) | {"cursor": event["id"]}
            if step := event["data"].get("step"):
                job["steps"] = [
                    step if old["name"] == step["name"] else old for old in job["steps"]
                ]
            if line := event["data"].get("log"):
                job["logs"] = [*job["logs"], line]
        return job

    def run(self) -> None:
        while True:
            sleep(PACE)
            for file in (STATE / "jobs").iterdir():
                count = self.committed(file.name)
                if count < len(self.events(file.name)) and not (STATE / "hold").exists():
                    fresh = STATE / f"{file.name}.new"
                    fresh.write_text(str(count + 1))
                    fresh.replace(file)
            with self.changed:
                self.changed.notify_all()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    jobs: Jobs

    def log_message(self, *_: Any) -> None:
        pass

    def address_string(self) -> str:
        return "unix"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        path, _, query = self.path.partition("?")
        seen = {
            "method": self.command,
            "path": self.path,
            "body": body,
            "headers": dict(self.headers),
        }
        with (STATE / "requests.jsonl").open("a") as file:
            file.write(json.dumps(seen) + "\n")
        if self.command != "GET" and (STATE / "drop").exists():
            (STATE / "drop").unlink()
            self.close_connection = True
            return
        match path.strip("/").split("/"):
            case ["api", "jobs", job_id, "events"] if (STATE / "jobs" / job_id).exists():
                self._stream(job_id, query)
                return
        status, answer = self._answer(path, query, body)
        self._send(status, answer)

    def _answer(self, path: str, query: str, body: Any) -> tuple[int, Json]:
        match (self.command, *path.strip("/").split("/")):
            case ("GET", "health"):
                return 200, {"status": "ok", "version": "0.1.0", "uptime_seconds": 1.5,
                             "jobs": {"queued": 0, "running": 1}}  # fmt: skip
            case ("POST", "api", "init"):
                return 200, {"success": True, "message": "ready", "data": {"config_dir": str(HOME)}}
            case ("POST", "api", "config", "provider"):
                return 200, {"success": True, "message": "stored", "data": {}}
            case ("POST", "api", "servers" | "up") if "plan=true" in query:
                return 200, PLAN | {"apps": body.get("apps", [])}
            case ("POST", "api", "up") | ("DELETE", "api", "servers", _):
                return self._accepted("completed")
            case (_, "api", "jobs", *rest):
                return self._jobs(path, rest, query)
            case (_, "api", "servers", *rest):
                return self._servers(path, rest, body)
        return self._unknown(path)

    def _jobs(self, path: str, rest: list[str], query: str) -> tuple[int, Json]:
        match (self.command, *rest):
            case ("GET",):
                jobs = [self.jobs.job(file.name) for file in (STATE / "jobs").iterdir()]
                short = [{name: job[name] for name in SUMMARY} for job in jobs]
                return 200, {"jobs": short, "total": len(short), "next_cursor": None}
            case ("GET", job_id) | ("GET", job_id, "wait"):
                if not (STATE / "jobs" / job_id).exists():
                    return 404, {"error": f"there is no job {job_id}", "code": "not_found",
                                 "details": {}, "hint": "livchat job list"}  # fmt: skip
                if rest[-1] == "wait":
                    self._wait(job_id, float(query.partition("=")[2] or 30))
                return 200, self.jobs.job(job_id)
        return self._unknown(path)

    def _wait(self, job_id: str, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self.jobs.job(job_id)["completed_at"] is None and monotonic() < deadline:
            with self.jobs.changed:
                self.jobs.changed.wait(0.05)

    def _servers(self, path: str, rest: list[str], body: Any) -> tuple[int, Json]:
        match (self.command, *rest):
            case ("POST",) if body["name"] == "taken":
                return 409, {"error": "there is already a server 'taken'", "code": "conflict",
                             "details": {"job_id": "job_x"},
                             "hint": "livchat job watch job_x"}  # fmt: skip
            case ("POST",):
                return self._accepted(body["name"] if body["name"] in ENDS else "completed")
            case ("POST", name, "exec"):
                code = 3 if "false" in body["command"] else 0
                return 200, {"success": not code, "server_name": name, "command": body["command"],
                             "stdout": body["command"] + "\n", "stderr": "", "exit_code": code,
                             "truncated": False, "duration_seconds": 0.1}  # fmt: skip
            case ("GET",):
                return 200, {"servers": {"prod-01": SERVER}, "total": 1}
            case ("GET", _):
                return 200, SERVER
        return self._unknown(path)

    def _unknown(self, path: str) -> tuple[int, Json]:
        return 404, {"error": f"there is no {path}", "code": "not_found", "details": {},
                     "hint": None}  # fmt: skip

    def _accepted(self, kind: str) -> tuple[int, Json]:
        job_id = self.jobs.add(kind)
        return 202, {"job_id": job_id, "status": "queued", "message": "accepted",
                     "check_status": f"/api/jobs/{job_id}"}  # fmt: skip

    def _send(self, status: int, answer: Json) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, job_id: str, query: str) -> None:
        after = query.partition("=")[2]
        if (STATE / "gone").exists():
            (STATE / "gone").unlink()
            self._send(410, {"error": "pruned", "code": "cursor_gone", "details": {}, "hint": None})
            return
        sent = int(after.rpartition("-")[2]) if after else 0
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = self.jobs.events(job_id)
        try:
            self._chunk(b"\n")
            while sent < len(events):
                for event in events[sent : self.jobs.committed(job_id)]:
                    self._chunk(json.dumps(event).encode() + b"\n")
                    sent += 1
                with self.jobs.changed:
                    self.jobs.changed.wait(0.05)
            self._chunk(b"")
        except OSError:
            self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True
    allow_reuse_address = False

    def server_bind(self) -> None:
        SOCKET.unlink(missing_ok=True)
        self.socket.bind(str(SOCKET))
        self.server_name, self.server_port = "unix", 0

    def get_request(self) -> Any:
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


def main() -> None:
    if os.environ.get("TINY_BROKEN"):
        sys.exit("the table is damaged")
    STATE.mkdir(parents=True, exist_ok=True)
    lock = (STATE / "livchatd.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stdout.write("already running\n")
        return
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid(), "version": "0.1.0", "tcp": None}))
    lock.flush()
    Answers.jobs = Jobs()
    server = Server(("unix", 0), Answers)
    threading.Thread(target=Answers.jobs.run, daemon=True).start()

    def stop(*_: Any) -> None:
        SOCKET.unlink(missing_ok=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    # A test that died leaves no daemon behind: its folder goes, and so does this.
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while HOME.exists():
        sleep(0.2)


if __name__ == "__main__":
    main()
