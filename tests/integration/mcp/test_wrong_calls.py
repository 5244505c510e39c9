"""Calls that are wrong, repeated or not agreed to: each answer says what to do next."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from livchat.errors import Conflict
from livchat.mcp.confirmation.purchase import purchase
from livchat.mcp.inputs import CreateServerInput, body
from tests.integration.daemon_process import DaemonProcess
from tests.integration.mcp.conversation import ERAS, SETUP, Person, in_memory, said

TOKEN = "tok-MARKED-4711-secret"


@pytest.mark.parametrize("era", ERAS)
async def test_each_wrong_call_says_what_to_do_next(daemon: DaemonProcess, era: str) -> None:
    async with in_memory(lambda: daemon.client, era) as assistant:
        unknown = await assistant.refused("detalhes-servidor", server_name="nobody")
        assert unknown["code"] == "not_found"
        assert "listar-servidores" in unknown["hint"]
        missing = await assistant.refused("configurar-servidor-completo", server_name="a")
        assert {field["field"] for field in missing["details"]["fields"]} == {
            "zone_name",
            "ssl_email",
        }
        retired = await assistant.refused(
            "criar-servidor", name="a", server_type="cx11", provider="sandbox"
        )
        assert retired["code"] == "invalid"
        assert "cx23" in retired["error"]
        for tool in ("verificar-job", "aguardar-job-completo"):
            assert (await assistant.refused(tool, job_id="job_nope"))["code"] == "not_found"
        long = await assistant.refused("aguardar-job-completo", job_id="j", maxWait=9999)
        assert "maxWait" in long["error"]
        early = await assistant.refused("instalar-app", server_name="a", app_name="n8n")
        assert early["code"] == "not_found"
        token = await assistant.refused("configurar-provider", name="hetzner")
        assert (token["code"], "livchat config provider" in token["hint"]) == (
            "not_configured",
            True,
        )
        assert (
            "livchat config cloudflare"
            in (await assistant.refused("configurar-cloudflare"))["hint"]
        )


@pytest.mark.parametrize("era", ERAS)
async def test_nothing_is_destroyed_without_a_yes(daemon: DaemonProcess, era: str) -> None:
    person = Person(agrees=False)
    async with in_memory(lambda: daemon.client, era, person) as assistant:
        await assistant.finishes("criar-servidor", name="a", provider="sandbox")
        # Where a person can be asked, the assistant's word does not stand in for theirs.
        refused = await assistant.refused("destruir-servidor", server_name="a", confirmar="a")
        assert refused["code"] == "confirmation_needed"
        assert len(person.questions) == 1
    async with in_memory(lambda: daemon.client, era) as assistant:
        asked = await assistant.refused("destruir-servidor", server_name="a")
        wrong = await assistant.refused("destruir-servidor", server_name="a", confirmar="sim")
        assert asked["details"] == wrong["details"] == {"confirmar": "a"}
        assert (await assistant.does("listar-servidores"))["total"] == 1
        await assistant.finishes("destruir-servidor", server_name="a", **asked["details"])
        assert (await assistant.does("listar-servidores"))["total"] == 0


async def test_an_assistant_that_repeats_itself_makes_nothing_twice(daemon: DaemonProcess) -> None:
    person = Person()
    order = {"name": "a", "provider": "sandbox"}
    async with in_memory(lambda: daemon.client, "legacy", person) as assistant:
        first = await assistant.does("criar-servidor", **order)
        again = await assistant.does("criar-servidor", **order)
        assert (again["job_id"], again["repeated"]) == (first["job_id"], True)
        await assistant.does("aguardar-job-completo", job_id=first["job_id"])
        done = await assistant.does("criar-servidor", **order)
        assert (done["job_id"], done["status"]) == (first["job_id"], "completed")
        await assistant.finishes("destruir-servidor", server_name="a")
        anew = await assistant.does("criar-servidor", **order)
        assert anew["job_id"] != first["job_id"], "what was undone meanwhile is done again"
    assert daemon.request("GET", "/api/jobs?type=create_server").json["total"] == 2


async def test_a_command_that_may_change_something_is_asked_about(daemon: DaemonProcess) -> None:
    async with in_memory(lambda: daemon.client, "legacy") as assistant:
        await assistant.finishes("criar-servidor", name="a", provider="sandbox")
        command = "rm -rf /srv"
        asked = await assistant.refused("executar-comando-ssh", server_name="a", command=command)
        assert asked["details"] == {"confirmar": command}
        ran = await assistant.call(
            "executar-comando-ssh", server_name="a", command=command, confirmar=command
        )
        assert ran.structured_content is not None


async def test_a_credential_is_never_repeated(daemon: DaemonProcess) -> None:
    async with in_memory(lambda: daemon.client, "legacy") as assistant:
        for tool, arguments in (
            ("configurar-provider", {"name": "nowhere", "token": TOKEN}),
            ("configurar-provider", {"name": "hetzner", "token": TOKEN, "verify": False}),
            ("configurar-provider", {"name": TOKEN, "token": TOKEN}),
            ("configurar-cloudflare", {"api_token": TOKEN, "verify": False}),
            ("configurar-cloudflare", {"api_token": TOKEN, "api_key": TOKEN}),
        ):
            found = await assistant.call(tool, **arguments)
            assert TOKEN not in found.model_dump_json()
        kept = await assistant.call("configurar-cloudflare", api_token=TOKEN, verify=False)
        assert "livchat config cloudflare" in said(kept)


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_costs_money_is_bought_at_the_price_that_was_shown(
    daemon: DaemonProcess, era: str
) -> None:
    daemon.request("GET", "/api/providers/locations?provider=sandbox")
    told = json.loads((daemon.home / "state" / "sandbox" / "sandbox.json").read_text())
    daemon.stop()
    daemon.environment["HCLOUD_ENDPOINT"] = told["hetzner"]
    daemon.start()
    person = Person(agrees=False)
    order = {"name": "a", "provider": "hetzner", "server_type": "cx23", "region": "nbg1"}
    async with in_memory(lambda: daemon.client, era, person) as assistant:
        await assistant.does("configurar-provider", name="hetzner", token=told["token"])
        await assistant.does("configurar-provider", name="hetzner")
        await assistant.refused("criar-servidor", **order)
        assert "7.13 EUR por mês" in person.questions[0]
        assert daemon.request("GET", "/api/servers").json["total"] == 0
        retired = await assistant.refused("criar-servidor", **{**order, "server_type": "cx11"})
        assert "cx11 is retired; to be had: " in retired["error"]
        person.agrees = True
        made = await assistant.does("criar-servidor", name="b", provider="hetzner")
        ordered = daemon.request("GET", f"/api/jobs/{made['job_id']}").json["params"]
        with closing(daemon.client) as client:
            prepared = purchase(client, CreateServerInput(name="c", provider="hetzner"))
            planned = client.plan_server({"name": "c", "provider": "hetzner"})
            agreed = body(prepared.request)
            assert agreed["plan_hash"] == planned["hash"]
            with pytest.raises(Conflict, match="what was agreed to is not what there is now"):
                client.create_server({**agreed, "plan_hash": "0" * 64})
        # The sandbox's machines stand where only its own provider looks: nothing to wait for.
        daemon.request("DELETE", f"/api/jobs/{made['job_id']}")
        daemon.wait(made["job_id"])
        assert (
            f"b na hetzner: {ordered['server_type']} em {ordered['region']}"
            in (person.questions[-1])
        )


async def test_the_zone_of_another_account_is_refused_with_the_zones_there_are(
    daemon: DaemonProcess,
) -> None:
    async with in_memory(lambda: daemon.client, "legacy") as assistant:
        await assistant.finishes("criar-servidor", name="a", provider="sandbox")
        wrong = {**SETUP, "zone_name": "foreign.example"}
        refused = await assistant.refused("configurar-servidor-completo", server_name="a", **wrong)
        assert "livchat.localhost" in refused["error"]
