"""Secrets: who may see them, where they may never be, and what is written down about it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - a posted write is waited for, bounded
from typing import Any

import pytest

from livchat.wire.secrets import Secret, SecretList
from tests.integration.daemon_process import DaemonProcess, running

CANARY = "canary-9f$Q/+w&<x>'é\"-end"
OTHER = "canary-of-another-day-77"
SMTP = {"smtp_host": "mail.example.com", "smtp_user": "me", "smtp_sender": "me@example.com"}
UP = {"apps": ["n8n"], "server": "prod-01", "zone_name": "livchat.localhost"}
KEY = "app/prod-01/n8n/param/smtp_password"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with running(tmp_path_factory.mktemp("d")) as started:
        yield started


def test_a_secret_is_kept_shown_when_asked_for_and_forgotten(daemon: DaemonProcess) -> None:
    for path in ("/api/secrets/my%2Fown.key", "/api/secrets/my/own.key"):
        answer = daemon.request("PUT", path, {"value": CANARY})
        assert (answer.status, answer.json["success"]) == (200, True)
        assert CANARY not in answer.raw.decode()
    hidden = daemon.request("GET", "/api/secrets/my%2Fown.key")
    assert hidden.json == {"key": "my/own.key", "value": None}
    shown = daemon.request("GET", "/api/secrets/my/own.key?reveal=true")
    assert Secret.model_validate(shown.json).value == CANARY
    listed = SecretList.model_validate(daemon.request("GET", "/api/secrets").json)
    assert (listed.total, listed.secrets) == (1, [Secret(key="my/own.key")])
    listed = SecretList.model_validate(daemon.request("GET", "/api/secrets?reveal=true").json)
    assert listed.secrets == [Secret(key="my/own.key", value=CANARY)]
    assert daemon.request("DELETE", "/api/secrets/my/own.key").status == 200
    for method in ("GET", "DELETE"):
        answer = daemon.request(method, "/api/secrets/my/own.key")
        assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("key", "body", "field"),
    [
        ("a", {}, "value"),
        ("a", {"value": ""}, "value"),
        ("a", {"value": 1}, "value"),
        ("a", {"value": "x" * 65_537}, "value"),
        ("a", {"value": "x", "more": 1}, "more"),
        ("-a", {"value": "x"}, "key"),
        ("a%20b", {"value": "x"}, "key"),
    ],
)
def test_a_wrong_secret_names_its_field(
    daemon: DaemonProcess, key: str, body: dict[str, Any], field: str
) -> None:
    answer = daemon.request("PUT", f"/api/secrets/{key}", body)
    assert answer.status == 422
    assert answer.json["details"]["fields"][0]["field"] == field


def test_a_credential_is_kept_by_the_command_that_tries_it(daemon: DaemonProcess) -> None:
    answer = daemon.request("PUT", "/api/secrets/provider/hetzner", {"value": "x" * 64})
    assert (answer.status, answer.json["code"]) == (409, "conflict")
    assert answer.json["hint"] == "livchat config provider hetzner"


def test_every_change_and_every_look_is_written_down(daemon: DaemonProcess) -> None:
    daemon.request("PUT", "/api/secrets/barrier", {"value": "what came before is written now"})
    before = len(audit(daemon))
    daemon.request("PUT", "/api/secrets/audited", {"value": CANARY})
    daemon.request("GET", "/api/secrets/audited")
    daemon.request("GET", "/api/secrets/audited?reveal=true")
    daemon.request("GET", "/api/secrets?reveal=true")
    daemon.request("DELETE", "/api/secrets/audited")
    daemon.request("DELETE", "/api/secrets/audited")
    daemon.request("POST", "/api/servers", {"name": "a", "provider": "azure"})
    daemon.request("POST", "/api/servers", {"name": "Not A Name"})
    daemon.request("DELETE", "/api/servers/nowhere")
    daemon.request("POST", "/api/config/provider", {"name": "sandbox", "token": CANARY})
    expected = [
        ("secrets_put", "audited", 200),
        ("secrets_reveal", "audited", 200),
        ("secrets_reveal", None, 200),
        ("secrets_delete", "audited", 200),
        ("secrets_delete", "audited", 404),
        ("servers_create", "a", 422),
        ("servers_create", None, 422),
        ("servers_delete", "nowhere", 404),
        ("system_configure_provider", "sandbox", 422),
    ]
    deadline = monotonic() + 10
    while len(audit(daemon)) < before + len(expected) and monotonic() < deadline:
        sleep(0.02)
    made = audit(daemon)[before:]
    assert [entry[1:] for entry in made] == expected
    import os

    assert {entry[0] for entry in made} == {f"uid:{os.getuid()} pid:{os.getpid()}"}


def test_the_command_line_takes_and_gives_secrets_but_never_as_arguments(
    daemon: DaemonProcess,
) -> None:
    def livchat(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "livchat", "secret", *words],
            env=daemon.environment, input=given, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    kept = livchat("set", "from/stdin", "--value-file", "-", given=f"{CANARY}\nand more\n")
    assert (kept.returncode, kept.stdout) == (0, "'from/stdin' is kept\n")
    assert "from/stdin" in livchat("list").stdout.splitlines()
    assert livchat("get", "from/stdin").stdout == f"{CANARY}\nand more\n"
    assert json.loads(livchat("list", "-o", "json").stdout)["secrets"][0]["value"] is None
    assert livchat("set", "x", CANARY).returncode == 2
    refused = livchat("delete", "from/stdin")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert livchat("delete", "from/stdin", "--yes").returncode == 0
    missing = livchat("get", "from/stdin")
    assert (missing.returncode, missing.stdout) == (7, "")


def test_a_secret_answer_to_an_app_is_nowhere_but_in_the_vault(tmp_path: Path) -> None:
    with running(tmp_path / "d") as daemon:
        order = {**UP, "config": {"n8n": {**SMTP, "smtp_password": CANARY}}}
        seen = [daemon.request("POST", "/api/up?plan=true", order).raw]
        answer = daemon.request("POST", "/api/up", order, {"Idempotency-Key": "a-key-to-repeat"})
        job_id = answer.json["job_id"]
        seen.append(answer.raw)
        stream = daemon.request("GET", f"/api/jobs/{job_id}/events", timeout=60)
        job = daemon.wait(job_id)
        assert (job["status"], job["error"]) == ("completed", None)
        app = next(app for app in job["params"]["apps"] if app["app_name"] == "n8n")
        assert app["config"] == SMTP
        assert comes_to_be_deployed(daemon, CANARY), "the app itself has it"
        answers = (
            f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/logs?tail=10000", "/api/jobs",
            "/api/servers/prod-01/apps", "/api/servers", "/api/secrets", "/api/apps/n8n",
        )  # fmt: skip
        seen += [daemon.request("GET", path).raw for path in answers]
        daemon.request("POST", "/api/servers/prod-01/apps", {"app_name": "n8n", "config": {
            "smtp_password": [CANARY], "surprise": CANARY}})  # fmt: skip
        seen += [stream.raw, process_list(), *everything(daemon)]
        assert not [where[:200] for where in seen if holds(where, CANARY)]
        kept = daemon.request("GET", f"/api/secrets/{KEY}?reveal=true").json
        assert kept["value"] == CANARY

        # An answer stays when the app is deployed anew without it, and after a restart.
        daemon.restart()
        again = daemon.submit("POST", "/api/servers/prod-01/apps", {"app_name": "n8n"})
        assert daemon.wait(again)["status"] == "completed"
        assert comes_to_be_deployed(daemon, CANARY)

        # Another answer takes its place; the first request sent again does not bring it back.
        body = {"app_name": "n8n", "config": {"smtp_password": OTHER}}
        assert daemon.wait(daemon.submit("POST", "/api/servers/prod-01/apps", body))
        assert comes_to_be_deployed(daemon, OTHER)
        replay = daemon.request("POST", "/api/up", order, {"Idempotency-Key": "a-key-to-repeat"})
        assert replay.headers["Idempotency-Replayed"] == "true"
        kept = daemon.request("GET", f"/api/secrets/{KEY}?reveal=true").json
        assert kept["value"] == OTHER

        # Deleting the app with its data takes the answer along.
        gone = daemon.submit("DELETE", "/api/servers/prod-01/apps/n8n?purge=true")
        assert daemon.wait(gone)["status"] == "completed"
        assert daemon.request("GET", f"/api/secrets/{KEY}").status == 404
        assert not [path for path in everything(daemon) if holds(path, OTHER)]


def audit(daemon: DaemonProcess) -> list[tuple[str, str, str | None, int]]:
    table = sqlite3.connect(daemon.home / "state" / "livchat.db", timeout=10)
    try:
        rows = table.execute("SELECT caller, action, target, status FROM audit ORDER BY id")
        return rows.fetchall()
    finally:
        table.close()


def everything(daemon: DaemonProcess) -> list[bytes]:
    """Every file of the daemon, table and its log among them; the sandbox is the far side."""
    sandbox = daemon.home / "state" / "sandbox"
    files = [p for p in daemon.home.rglob("*") if p.is_file() and sandbox not in p.parents]
    assert any(path.name == "livchat.db" for path in files)
    return [path.name.encode() + b"\n" + path.read_bytes() for path in files]


def process_list() -> bytes:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            lines.append(path.read_bytes())
    return b"\n".join(lines)


def deployed(daemon: DaemonProcess) -> str:
    """The sandbox's world as it is kept, with JSON's own quoting undone."""
    folder = daemon.home / "state" / "sandbox"
    texts = [p.read_text(errors="replace") for p in folder.rglob("*.json")]
    whole = "\n".join(texts)
    for _ in range(4):
        whole += whole.replace('\\"', '"').replace("\\\\", "\\")[-len(whole) :]
    return whole.replace("$$", "$").replace("\\u00e9", "é").replace('\\"', '"').replace("''", "'")


def comes_to_be_deployed(daemon: DaemonProcess, value: str) -> bool:
    """Whether the sandbox has it; it keeps its world on disk a moment after it has changed."""
    for _ in range(200):
        if value in deployed(daemon):
            return True
        sleep(0.1)
    return False


def holds(where: bytes, secret: str) -> bool:
    """Whether the secret is there: as it is, or as JSON has it."""
    quoted = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    return any(form.encode() in where for form in (secret, quoted, plain, "canary-9f", "canary-of"))
