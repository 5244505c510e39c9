"""Waiting for jobs: limits, cancellation, a daemon that is killed meanwhile, failed jobs."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from tests.integration.daemon_process import DaemonProcess, running
from tests.integration.mcp.conversation import ERAS, SETUP, in_memory, over_stdio, said


@pytest.fixture
def slow(tmp_path) -> Iterator[DaemonProcess]:
    """A daemon whose sandbox takes its time: a server is seconds in the making."""
    with running(tmp_path / "livchat", scale=0.2) as started:
        yield started


@pytest.mark.parametrize("era", ERAS)
async def test_a_wait_that_runs_out_says_how_to_go_on(slow: DaemonProcess, era: str) -> None:
    async with in_memory(lambda: slow.client, era) as assistant:
        job_id = (await assistant.does("criar-servidor", name="a", provider="sandbox"))["job_id"]
        early = await assistant.does("aguardar-job-completo", job_id=job_id, maxWait=0)
        assert early["status"] in ("queued", "running")
        assert early["next_step"] == f"aguardar-job-completo com job_id={job_id}"
        assert (await assistant.does("aguardar-job-completo", job_id=job_id))["progress"] == 100


@pytest.mark.parametrize("era", ERAS)
async def test_cancelling_a_wait_leaves_the_job_running_and_says_so(
    slow: DaemonProcess, era: str
) -> None:
    async with over_stdio(slow, era) as assistant:
        job_id = (await assistant.does("criar-servidor", name="a", provider="sandbox"))["job_id"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: assistant.call("aguardar-job-completo", job_id=job_id))
            while not assistant.progress:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        found = await assistant.call("verificar-job", job_id=job_id)
        while "foi cancelada" not in said(found):
            await anyio.sleep(0.05)
            found = await assistant.call("verificar-job", job_id=job_id)
        assert f"O job {job_id} continua" in said(found)
        assert not found.structured_content["cancel_requested"]
        assert slow.wait(job_id)["status"] == "completed"


@pytest.mark.parametrize("era", ERAS)
async def test_a_wait_goes_on_when_the_daemon_is_killed_and_started_again(
    slow: DaemonProcess, era: str
) -> None:
    async with in_memory(lambda: slow.client, era) as assistant:
        job_id = (await assistant.does("criar-servidor", name="a", provider="sandbox"))["job_id"]

        async def kill_and_start() -> None:
            while not assistant.progress:
                await anyio.sleep(0.01)
            await anyio.to_thread.run_sync(slow.kill)
            await anyio.to_thread.run_sync(slow.start)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill_and_start)
            ended = await assistant.does("aguardar-job-completo", job_id=job_id, maxWait=90)
        assert ended["status"] == "completed"
        assert len(slow.sandbox("status")["servers"]) == 1


async def test_a_job_that_failed_is_told_as_failed(daemon: DaemonProcess) -> None:
    async with in_memory(lambda: daemon.client, "legacy") as assistant:
        await assistant.finishes("criar-servidor", name="a", provider="sandbox")
        daemon.sandbox("reset", "POST")  # the machine is gone, and nobody told the daemon
        found = await assistant.call("configurar-servidor-completo", server_name="a", **SETUP)
        job_id = found.structured_content["job_id"]
        ended = await assistant.call("aguardar-job-completo", job_id=job_id)
        assert ended.is_error
        assert ended.structured_content["status"] == "failed"
        assert "FALHOU" in said(ended)
        assert "O que fazer: " in said(ended)
        looked = await assistant.call("verificar-job", job_id=job_id)
        assert looked.is_error
