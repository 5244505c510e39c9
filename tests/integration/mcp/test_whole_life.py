"""An assistant runs the whole life in the sandbox: both eras, in memory and over stdio."""

from __future__ import annotations

import pytest

from tests.integration.daemon_process import DaemonProcess
from tests.integration.mcp.conversation import (
    ERAS,
    SETUP,
    Assistant,
    Person,
    in_memory,
    over_stdio,
    said,
)


async def whole_life(assistant: Assistant, person: Person, daemon: DaemonProcess) -> None:
    assert len((await assistant.client.list_tools()).tools) == 16
    await assistant.does("inicializar-sistema")
    created = await assistant.finishes("criar-servidor", name="prod-01", provider="sandbox")
    assert created["status"] == "completed"
    done = await assistant.finishes("configurar-servidor-completo", server_name="prod-01", **SETUP)
    assert done["progress"] == 100
    amounts = [amount for amount, _, _ in assistant.progress]
    assert amounts == sorted(set(amounts)), "progress only grows"
    assert any("passos" in (message or "") for _, _, message in assistant.progress)

    await assistant.finishes("instalar-app", server_name="prod-01", app_name="n8n")
    apps = (await assistant.does("listar-apps-instaladas", server_name="prod-01"))["apps"]
    assert {app["app_name"]: app["status"] for app in apps}["n8n"] == "running"
    assert "n8n" in (await assistant.does("listar-servidores"))["servers"]["prod-01"]["apps"]
    ran = await assistant.call("executar-comando-ssh", server_name="prod-01", command="docker ps")
    assert "não confiável" in said(ran)

    await assistant.finishes("desinstalar-app", server_name="prod-01", app_name="n8n")
    await assistant.finishes("destruir-servidor", server_name="prod-01")
    assert len(person.questions) == 2
    assert "postgres" in person.questions[1], "it names what goes with the server"
    assert (await assistant.does("listar-servidores"))["total"] == 0
    assert daemon.sandbox("status")["servers"] == []


@pytest.mark.parametrize("era", ERAS)
async def test_an_assistant_runs_the_whole_life_in_memory(daemon: DaemonProcess, era: str) -> None:
    person = Person()
    async with in_memory(lambda: daemon.client, era, person) as assistant:
        await whole_life(assistant, person, daemon)


@pytest.mark.parametrize("era", ERAS)
async def test_an_assistant_runs_the_whole_life_over_stdio(daemon: DaemonProcess, era: str) -> None:
    person = Person()
    async with over_stdio(daemon, era, person) as assistant:
        await whole_life(assistant, person, daemon)


async def test_the_bridge_reaches_a_daemon_over_tcp_with_its_token(tmp_path) -> None:
    from tests.integration.daemon_process import running

    with running(tmp_path / "l", "--tcp", "127.0.0.1:0") as daemon:
        address = f"http://{daemon.lock['tcp'].removeprefix('http://')}"
        token = str(daemon.home / "config" / "token")
        async with over_stdio(
            daemon, "legacy", LIVCHAT_URL=address, LIVCHAT_TOKEN_FILE=token
        ) as assistant:
            assert (await assistant.does("listar-servidores"))["total"] == 0
