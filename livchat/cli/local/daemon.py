"""The process of the daemon: livchat daemon run, start, stop, restart, status, logs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - there is no loop here to block
from typing import Annotated, Any

import typer

from livchat.cli.input import options
from livchat.cli.session import connect
from livchat.errors import Conflict, DaemonUnreachable, LivChatError, NotFound, TimedOut
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables.columns import record
from livchat.paths import paths
from livchat.sanitize import clean_line

Json = dict[str, Any]

STOP_TIMEOUT = 15.0
"""Seconds that the daemon may take to end; its jobs go on at its next start."""

cli = typer.Typer(
    name="daemon",
    help="The daemon that does the work; it starts by itself when a command needs it.",
    no_args_is_help=True,
    add_completion=False,
)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@cli.command(context_settings=_PASS_ON)
def run(ctx: typer.Context) -> None:
    """Run the daemon here, until Ctrl-C; options are passed on to it.

    Example: livchat daemon run --tcp 127.0.0.1:8475
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "livchatd", *ctx.args])  # noqa: S606


@cli.command(context_settings=_PASS_ON)
def start(ctx: typer.Context, output: options.Output = Format.HUMAN) -> None:
    """Start the daemon in the background; options are passed on to it.

    Example: livchat daemon start
    """
    _must_be_ours()
    if not _state()["running"]:
        connect.start(ctx.args)
    _show(_state(), output)


@cli.command()
def stop(output: options.Output = Format.HUMAN) -> None:
    """Stop the daemon; unfinished jobs go on at its next start.

    Example: livchat daemon stop
    """
    _must_be_ours()
    state = _state()
    _stop(state)
    _show(_state(), output)
    jobs = state["jobs"] or {}
    unfinished = sum(int(jobs.get(key) or 0) for key in ("queued", "running"))
    if unfinished:
        show.note(translate("jobs_resume", count=unfinished))


@cli.command(context_settings=_PASS_ON)
def restart(ctx: typer.Context, output: options.Output = Format.HUMAN) -> None:
    """Restart the daemon; those who watch its jobs see them go on.

    Example: livchat daemon restart
    """
    _must_be_ours()
    _stop(_state())
    connect.start(ctx.args)
    _show(_state(), output)


@cli.command()
def status(output: options.Output = Format.HUMAN) -> None:
    """Show whether the daemon runs, and where.

    Example: livchat daemon status
    """
    _show(_state(), output)


@cli.command()
def logs(
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on, until Ctrl-C.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=1, help="So many lines at first.")] = 100,
    output: options.Output = Format.HUMAN,
) -> None:
    """Show what the daemon printed when a command had started it.

    Example: livchat daemon logs -f
    """
    log = paths().log
    if not log.exists():
        raise NotFound(f"there is no log at {log}", hint="livchat daemon start")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-tail:]
    show.result(
        {"log": str(log), "lines": lines},
        output,
        human=lambda _: map(clean_line, lines),
        quiet=lambda _: map(clean_line, lines),
        items=lambda _: lines,
    )
    if following:
        _follow(log)


def _state() -> Json:
    """Whether the daemon runs, and where; it is not started."""
    state: Json = {
        "running": False,
        "pid": None,
        "version": None,
        "socket": None,
        "tcp": None,
        "uptime_seconds": None,
        "jobs": None,
    }
    if os.environ.get("LIVCHAT_URL"):
        state["tcp"] = os.environ["LIVCHAT_URL"]
    else:
        state["socket"] = str(paths().socket)
    client = connect.reach(restart=False)
    try:
        health = client.health()
    except DaemonUnreachable:
        return state
    finally:
        client.close()
    state |= {key: health.get(key) for key in ("version", "uptime_seconds", "jobs")}
    if not os.environ.get("LIVCHAT_URL"):
        holder = _holder()
        state |= {"pid": holder.get("pid"), "tcp": holder.get("tcp")}
    return state | {"running": True}


def _holder() -> Json:
    """What the daemon wrote into the file that it holds locked: its pid and its TCP address."""
    import json

    try:
        found = json.loads(paths().lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _show(state: Json, output: Format) -> None:
    if output is Format.HUMAN:
        show.note(translate("daemon_running" if state["running"] else "daemon_not_running"))
    show.result(
        state,
        output,
        human=lambda _: record([(k, _shown(v)) for k, v in state.items() if k != "running"]),
        quiet=lambda _: [str(state["pid"] or "")],
    )


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return round(value, 1) if isinstance(value, float) else value


def _must_be_ours() -> None:
    if os.environ.get("LIVCHAT_URL"):
        raise Conflict(
            "the daemon at LIVCHAT_URL is not ours to start or stop", hint="unset LIVCHAT_URL"
        )


def _stop(state: Json) -> None:
    if not state["running"]:
        return
    pid = state["pid"]
    if not isinstance(pid, int) or pid <= 1:
        raise LivChatError(
            f"cannot tell which process the daemon is: {paths().lock} does not say",
            hint="livchat daemon status",
        )
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError:
        raise LivChatError(f"cannot stop process {pid}: it belongs to another user") from None
    deadline = monotonic() + STOP_TIMEOUT
    while _alive(pid):
        if monotonic() >= deadline:
            raise TimedOut(
                f"process {pid} has not ended within {STOP_TIMEOUT:.0f} s",
                hint="livchat daemon logs",
            )
        sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return not Path("/proc/self").exists()
    return state != "Z"


def _follow(log: Path) -> None:
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while True:
            line = file.readline()
            if line:
                show.write([clean_line(line.rstrip("\n"))])
            else:
                sleep(0.2)
