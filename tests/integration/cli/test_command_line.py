"""The command line as processes, against a daemon that speaks the contract on a real socket."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - processes are waited for, in bounded loops
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny_livchatd.py")
PATIENCE = 30.0


class Shell:
    """A user's shell with a home of its own."""

    def __init__(self, home: Path, program: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LIVCHAT_HOME": str(home),
            "PYTHONPATH": f"{ROOT}:{program}",
            "LANG": "en_US.UTF-8",
            "PYTHONUTF8": "1",
            "COLUMNS": "100",
        }
        self.started: list[subprocess.Popen[Any]] = []

    def __call__(
        self, *words: str, typed: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "livchat", *words],
            env=self.environment | more,
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def begin(self, *words: str, **more: Any) -> subprocess.Popen[Any]:
        told = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
        process = subprocess.Popen(
            [sys.executable, "-m", "livchat", *words], env=self.environment, **told
        )
        self.started.append(process)
        return process

    @property
    def state(self) -> Path:
        return self.home / "state"

    def held(self) -> str:
        """A job that makes no progress until the file is gone."""
        self("daemon", "start")
        (self.state / "hold").touch()
        return self("server", "create", "prod-01").stdout.strip()

    def pid(self) -> int:
        return int(json.loads((self.state / "livchatd.lock").read_text())["pid"])

    def requests(self) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in (self.state / "requests.jsonl").read_text().splitlines()
        ]

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        lock = self.state / "livchatd.lock"
        if lock.exists():
            try:
                os.kill(self.pid(), signal.SIGKILL)
            except ProcessLookupError:
                return


@pytest.fixture
def livchat(tmp_path: Path) -> Iterator[Shell]:
    program = tmp_path / "program"
    (program / "livchatd").mkdir(parents=True)
    (program / "livchatd" / "__init__.py").touch()
    shutil.copy(TINY, program / "livchatd" / "__main__.py")
    shell = Shell(tmp_path / "h", program)
    yield shell
    shell.end()


def until(true: Any) -> None:
    deadline = monotonic() + PATIENCE
    while not true():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.02)


def test_a_command_starts_the_daemon_that_it_needs(livchat: Shell) -> None:
    told = livchat("job", "list", "-o", "json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"jobs": [], "total": 0, "next_cursor": None}
    status = json.loads(livchat("daemon", "status", "-o", "json").stdout)
    assert status["running"] is True
    assert status["pid"] == livchat.pid()
    assert status["jobs"] == {"queued": 0, "running": 1}


def test_many_commands_at_once_start_one_daemon(livchat: Shell) -> None:
    several = [livchat.begin("job", "list", "-o", "json") for _ in range(4)]
    for process in several:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert json.loads(out)["total"] == 0


def test_a_daemon_that_cannot_start_gives_its_last_words_and_exit_5(livchat: Shell) -> None:
    told = livchat("job", "list", TINY_BROKEN="1")
    assert told.returncode == 5
    assert told.stderr.splitlines() == [
        "error: the daemon did not start: the table is damaged",
        "hint: livchat daemon run",
    ]


def test_no_daemon_is_started_where_that_is_forbidden(livchat: Shell) -> None:
    told = livchat("job", "list", LIVCHAT_NO_AUTOSTART="1")
    assert told.returncode == 5
    remote = livchat("job", "list", LIVCHAT_URL="http://127.0.0.1:1")
    assert remote.returncode == 5
    assert not (livchat.state / "livchatd.lock").exists()


def test_stop_ends_the_daemon_and_restart_brings_another(livchat: Shell) -> None:
    livchat("daemon", "start")
    first = livchat.pid()
    assert livchat("daemon", "restart").returncode == 0
    assert livchat.pid() != first
    assert livchat("daemon", "stop").returncode == 0
    status = livchat("daemon", "status", "-o", "json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["running"] is False


def test_without_wait_stdout_is_the_job_and_stderr_says_how_to_watch(livchat: Shell) -> None:
    told = livchat("server", "create", "prod-01")
    job_id = told.stdout.strip()
    assert told.returncode == 0
    assert job_id.startswith("job_completed")
    assert f"livchat job watch {job_id}" in told.stderr


def test_waiting_off_a_terminal_is_one_plain_line_a_step(livchat: Shell) -> None:
    told = livchat("server", "create", "prod-01", "--wait")
    assert told.returncode == 0
    assert told.stderr.splitlines()[1:] == [
        "[1/3] Order machine ... done (12.3 s)",
        "[2/3] Wait for SSH ... done (12.3 s)",
        "[3/3] Install Docker ... done (12.3 s)",
    ]
    assert "\x1b" not in told.stderr + told.stdout
    assert "198.18.0.7" in told.stdout


def test_the_event_stream_is_whole_and_ordered_across_a_killed_daemon(livchat: Shell) -> None:
    livchat.environment["TINY_PACE"] = "0.05"
    livchat("daemon", "start")
    watching = livchat.begin("server", "create", "prod-01", "--wait", "-o", "ndjson")
    jobs = livchat.state / "jobs"
    for least in (5, 15):
        until(lambda least=least: any(int(job.read_text() or 0) >= least for job in jobs.iterdir()))
        os.kill(livchat.pid(), signal.SIGKILL)
    out, err = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert [int(event["id"].rpartition("-")[2]) for event in events] == list(range(1, 33))
    assert events[-1]["event"] == "end"


def test_a_cursor_that_is_gone_gives_a_snapshot_and_goes_on(livchat: Shell) -> None:
    livchat.environment["TINY_PACE"] = "0.02"
    livchat("daemon", "start")
    (livchat.state / "gone").touch()
    told = livchat("server", "create", "prod-01", "--wait", "-o", "ndjson")
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 0
    assert events[0]["event"] == "snapshot"
    begin = int(events[0]["id"].rpartition("-")[2])
    numbers = [int(event["id"].rpartition("-")[2]) for event in events[1:]]
    assert numbers == list(range(begin + 1, 33))


def test_a_lost_answer_is_asked_for_again_with_the_same_key(livchat: Shell) -> None:
    livchat("daemon", "start")
    (livchat.state / "drop").touch()
    assert livchat("server", "create", "prod-01").returncode == 0
    posts = [found for found in livchat.requests() if found["method"] == "POST"]
    assert len(posts) == 2
    assert posts[0]["body"] == posts[1]["body"]
    keys = {found["headers"]["Idempotency-Key"] for found in posts}
    assert len(keys) == 1
    assert 8 <= len(keys.pop()) <= 128


@pytest.mark.parametrize(
    ("name", "code", "lines"),
    [
        ("failed", 1, ["error: Create prod-01: failed at step Wait for SSH",
                       "why: the server does not answer"]),
        ("left", 3, ["why: the server does not answer",
                     "left behind: server prod-01 (5.49 EUR a month)",
                     "hint: livchat job retry it"]),
        ("cancelled", 9, ["error: Create prod-01: cancelled"]),
        ("taken", 4, ["error: there is already a server 'taken'", "hint: livchat job watch job_x"]),
    ],
)  # fmt: skip
def test_each_end_has_its_exit_code_and_at_most_four_lines(
    livchat: Shell, name: str, code: int, lines: list[str]
) -> None:
    told = livchat("server", "create", name, "--wait")
    assert told.returncode == code
    assert told.stdout == ""
    error = told.stderr[told.stderr.index("error:") :].splitlines()
    assert len(error) <= 4
    assert set(lines) <= set(error)


def test_json_is_one_object_for_a_failed_job_and_for_an_error(livchat: Shell) -> None:
    failed = livchat("server", "create", "left", "--wait", "-o", "json")
    assert failed.returncode == 3
    assert json.loads(failed.stdout)["left_behind"] == ["server prod-01 (5.49 EUR a month)"]
    missing = livchat("job", "show", "nothing", "-o", "json")
    assert missing.returncode == 7
    assert json.loads(missing.stdout)["code"] == "not_found"
    usage = livchat("job", "show", "-o", "json")
    assert usage.returncode == 2
    assert json.loads(usage.stdout)["code"] == "bad_request"


def test_errors_are_in_portuguese_where_the_locale_is(livchat: Shell) -> None:
    told = livchat("job", "show", "nothing", LANG="pt_BR.UTF-8")
    assert told.stderr.splitlines() == ["erro: there is no job nothing", "dica: livchat job list"]
    assert livchat("job", "show", "nothing", LC_ALL="C").stderr.startswith("error: ")


def test_wait_gives_up_in_time_and_the_job_goes_on(livchat: Shell) -> None:
    job_id = livchat.held()
    told = livchat("job", "wait", job_id, "--timeout", "0.2")
    assert told.returncode == 8
    assert f"livchat job watch {job_id}" in told.stderr
    (livchat.state / "hold").unlink()
    assert livchat("job", "wait", job_id, "--timeout", "20").returncode == 0


def test_sigint_stops_the_watching_and_not_the_job(livchat: Shell) -> None:
    job_id = livchat.held()
    watching = livchat.begin("job", "watch", job_id)
    assert watching.stderr is not None
    assert b"Create prod-01" in watching.stderr.readline()
    until(lambda: any("/events" in found["path"] for found in livchat.requests()))
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 130
    assert err.decode().splitlines() == [f"the job goes on: livchat job watch {job_id}"]
    assert not any(found["method"] == "DELETE" for found in livchat.requests())


def test_sigterm_detaches_without_a_word(livchat: Shell) -> None:
    job_id = livchat.held()
    watching = livchat.begin("job", "watch", job_id)
    until(lambda: any("/events" in found["path"] for found in livchat.requests()))
    watching.terminate()
    _, err = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 130
    assert "goes on" not in err.decode()


def test_on_a_terminal_the_job_is_drawn_and_the_cursor_comes_back(livchat: Shell) -> None:
    job_id = livchat.held()
    livchat.environment["TERM"] = "xterm-256color"
    master, slave = pty.openpty()
    watching = livchat.begin("job", "watch", job_id, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    drawn = read_until(master, "Wait for SSH")
    watching.send_signal(signal.SIGINT)
    drawn += read_until(master, "the job goes on")
    os.close(master)
    assert watching.wait(timeout=PATIENCE) == 130
    assert "\x1b[?25l" in drawn
    assert "\x1b[?25h" in drawn[drawn.index("\x1b[?25l") :]


def test_deleting_asks_on_a_terminal_and_refuses_to_guess_elsewhere(livchat: Shell) -> None:
    refused = livchat("server", "delete", "prod-01")
    assert refused.returncode == 2
    assert "prod-01" in refused.stderr
    assert "--yes" in refused.stderr
    assert not any(found["method"] == "DELETE" for found in livchat.requests())
    for typed, code in (("n", 1), ("y", 0)):
        master, slave = pty.openpty()
        asking = livchat.begin(
            "server", "delete", "prod-01", stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        assert "n8n" in read_until(master, "[y/N]")
        os.write(master, f"{typed}\n".encode())
        assert asking.wait(timeout=PATIENCE) == code
        os.close(master)
    assert livchat("server", "delete", "prod-01", "--yes").returncode == 0


def test_a_token_comes_from_stdin_and_never_from_an_argument(livchat: Shell) -> None:
    told = livchat("config", "provider", "hetzner", "--token-file", "-", typed="s3cret-token\n")
    assert told.returncode == 0, told.stderr
    assert livchat.requests()[-1]["body"] == {
        "name": "hetzner", "token": "s3cret-token", "verify": True,
    }  # fmt: skip
    assert livchat("config", "provider", "hetzner", "s3cret-token").returncode == 2
    assert "--token-file" in livchat("config", "provider", "hetzner").stderr


def test_a_command_on_a_server_keeps_the_borders_of_its_arguments(livchat: Shell) -> None:
    told = livchat("server", "exec", "prod-01", "--", "ls", "-la", "a b; rm x")
    assert told.stdout == "ls -la 'a b; rm x'\n"
    assert told.returncode == 0
    assert livchat("server", "exec", "prod-01", "--", "echo a | wc").stdout == "echo a | wc\n"
    failed = livchat("server", "exec", "prod-01", "-o", "json", "--", "false")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["exit_code"] == 3


def test_up_sends_what_was_asked_and_a_plan_does_nothing(livchat: Shell) -> None:
    words = ("up", "n8n", "--server", "prod-01", "--zone", "example.com", "--set", "n8n.mem=512")
    plan = livchat(*words, "--plan")
    assert "5.49 EUR a month" in plan.stdout.splitlines()[0]
    assert not list((livchat.state / "jobs").iterdir())
    told = livchat(*words, "--ram", "4")
    assert told.returncode == 0
    assert "http://edt.lab.livchat.localhost:8480/" in told.stdout
    body = next(found["body"] for found in livchat.requests() if found["path"] == "/api/up")
    assert body == {
        "apps": ["n8n"], "server": "prod-01", "zone_name": "example.com", "ram": 4.0,
        "config": {"n8n": {"mem": 512}},
    }  # fmt: skip


def test_a_demo_needs_no_account_and_says_what_to_try_next(livchat: Shell) -> None:
    told = livchat("demo")
    assert told.returncode == 0, told.stderr
    assert "http://edt.lab.livchat.localhost:8480/" in told.stdout
    assert "livchat sandbox reset" in told.stderr
    body = next(found["body"] for found in livchat.requests() if found["path"] == "/api/up")
    assert (body["provider"], body["zone_name"]) == ("sandbox", "livchat.localhost")


def test_where_there_is_no_sandbox_status_and_reset_say_so(livchat: Shell) -> None:
    status = livchat("sandbox", "status", "-o", "json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["servers"] == []
    reset = livchat("sandbox", "reset")
    assert reset.returncode == 0
    assert "there is no sandbox yet" in reset.stderr
    assert not (livchat.state / "livchatd.lock").exists()


def test_the_command_line_loads_neither_the_daemon_nor_what_is_heavy(livchat: Shell) -> None:
    program = (
        "import sys; from livchat.cli.main import run; run(['job', 'list']);"
        "print([n for n in ('rich', 'aiohttp', 'asyncssh', 'hcloud', 'cloudflare', 'livchatd',"
        " 'platformdirs', 'livchat.wire.base') if n in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=livchat.environment, capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    assert told.stdout.splitlines()[-1] == "[]"


def read_until(master: int, wanted: str) -> str:
    """What a terminal shows until a text appears."""
    found = b""
    deadline = monotonic() + PATIENCE
    while wanted.encode() not in found:
        assert monotonic() < deadline, found.decode(errors="replace")
        if select.select([master], [], [], 0.5)[0]:
            found += os.read(master, 65536)
    return found.decode(errors="replace")
