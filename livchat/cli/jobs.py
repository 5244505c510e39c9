"""Jobs: livchat job list, show, logs, watch, wait, cancel, retry, prune."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from livchat.cli.input import options, prompts
from livchat.cli.session.connect import connect
from livchat.cli.session.follow import finish, follow, wait_for
from livchat.client.client import Client
from livchat.errors import InvalidRequest, JobCancelled
from livchat.job_state import ENDED
from livchat.output import show
from livchat.output.messages import translate
from livchat.output.show import Format
from livchat.output.tables import jobs as tables
from livchat.sanitize import clean_text

Json = dict[str, Any]

cli = typer.Typer(
    name="job",
    help="See what was done and is being done; watch, cancel and retry it.",
    no_args_is_help=True,
    add_completion=False,
)

Step = Annotated[str | None, typer.Option("--step", metavar="NAME", help="Only of this step.")]


@cli.command("list")
def index(
    status: Annotated[
        str | None, typer.Option("--status", metavar="S", help="queued, running, completed, ...")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--type", metavar="T", help="create_server, deploy_app, ...")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="NAME", help="Only on this server.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="C", help="Where the last page ended.")
    ] = None,
    output: options.Output = Format.HUMAN,
) -> None:
    """List jobs, newest first.

    Example: livchat job list --status failed
    """
    show.result(
        connect().jobs(status=status, type=kind, server=server, limit=limit, cursor=cursor),
        output,
        human=tables.jobs,
        quiet=lambda page: [job["job_id"] for job in page["jobs"]],
        items=lambda page: page["jobs"],
    )


@cli.command("show")
def details(job_id: options.JobArgument, output: options.Output = Format.HUMAN) -> None:
    """Show a job, with its steps and its result.

    Example: livchat job show job_20261122_081530_3f9a1c2b7d4e
    """
    show.result(connect().job(job_id), output, human=tables.job, quiet=lambda job: [job["status"]])


@cli.command()
def logs(
    job_id: options.JobArgument,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends.")
    ] = False,
    tail: Annotated[int, typer.Option("--tail", min=1, help="At most so many lines.")] = 100,
    step: Step = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="L", help="debug, info, warning or error.")
    ] = None,
    output: options.Output = Format.HUMAN,
) -> None:
    """Show what the steps of a job printed.

    Example: livchat job logs job_20261122_081530_3f9a1c2b7d4e -f
    """
    client = connect()
    if following:
        _follow_logs(client, job_id, step, output)
        return
    show.result(
        client.job_logs(job_id, tail=tail, step=step, level=level),
        output,
        human=lambda found: tables.logs(found["logs"]),
        quiet=lambda found: [clean_text(line["message"]) for line in found["logs"]],
        items=lambda found: found["logs"],
    )


@cli.command()
def watch(job_id: options.JobArgument, output: options.Output = Format.HUMAN) -> None:
    """Watch a job until it ends; Ctrl-C stops the watching, not the job.

    Example: livchat job watch job_20261122_081530_3f9a1c2b7d4e
    """
    follow(connect(), job_id, output)


@cli.command()
def wait(
    job_id: options.JobArgument,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, metavar="S", help="Seconds; none: for ever.")
    ] = None,
    output: options.Output = Format.HUMAN,
) -> None:
    """Wait for a job's end without a word; the exit code says how it ended.

    Example: livchat job wait job_20261122_081530_3f9a1c2b7d4e --timeout 600
    """
    finish(wait_for(connect(), job_id, timeout), output)


@cli.command()
def cancel(
    job_id: options.JobArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Give up what does not stop, and undo nothing more.")
    ] = False,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Cancel a job: stop its work and undo what can be undone.

    Example: livchat job cancel job_20261122_081530_3f9a1c2b7d4e --wait
    """
    client = connect()
    response = client.cancel_job(job_id, force=force)
    if wait:
        _await_cancelled(client, job_id, output)
        return
    show.result(response, output, human=lambda _: [response["message"]], quiet=lambda _: [job_id])


@cli.command()
def retry(
    job_id: options.JobArgument,
    wait: options.Wait = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Retry a job that failed or was cancelled: a new job goes on where it ended.

    Example: livchat job retry job_20261122_081530_3f9a1c2b7d4e --wait
    """
    client = connect()
    accepted = client.retry_job(job_id)
    if wait:
        follow(client, accepted["job_id"], output)
    else:
        show.accepted(accepted, output)


@cli.command()
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="e.g. 7d or 12h.")
    ] = "7d",
    status: Annotated[
        str | None, typer.Option("--status", metavar="S", help="completed, failed or cancelled.")
    ] = None,
    yes: options.Yes = False,
    output: options.Output = Format.HUMAN,
) -> None:
    """Remove the history of jobs that have ended.

    Example: livchat job prune --older-than 30d
    """
    prompts.confirm(translate("prune", age=older_than), yes=yes)
    response = connect().prune_jobs(older_than=older_than, status=status)
    show.result(
        response,
        output,
        human=lambda _: [response["message"]],
        quiet=lambda _: [str(response["data"]["removed"])],
    )


def _await_cancelled(client: Client, job_id: str, output: Format) -> None:
    """Watch a job be cancelled, which is a success here; exit code 3 if it left something."""
    try:
        follow(client, job_id, output)
    except JobCancelled as error:
        show.error(error)
        if error.details["left_behind"]:
            raise typer.Exit(3) from None


def _follow_logs(client: Client, job_id: str, step: str | None, output: Format) -> None:
    if output is Format.JSON:
        raise InvalidRequest.field(
            "--output", "json is one object, and -f has no end", hint="-o ndjson"
        )
    job = client.job(job_id)
    _log_lines(job["logs"], step, output)
    if job["status"] in ENDED:
        return
    for event in client.job_events(job_id, job["cursor"]):
        line = event.data.get("log")
        if line:
            _log_lines([line], step, output)


def _log_lines(lines: list[Json], step: str | None, output: Format) -> None:
    wanted = [line for line in lines if step is None or line.get("step") == step]
    if output is Format.NDJSON:
        show.write(map(show.json_line, wanted))
    elif output is Format.QUIET:
        show.write(clean_text(line["message"]) for line in wanted)
    else:
        show.write(tables.logs(wanted))
