"""Every MCP tool: described, strict, as its wire model says; and all of them short."""

from __future__ import annotations

import json

import pytest

from livchat.mcp import bridge, inputs
from livchat.mcp.tools.registry import TOOLS
from livchat.wire.base import Request
from livchat.wire.servers import CreateServer

NAMES = """inicializar-sistema configurar-provider configurar-cloudflare verificar-job listar-jobs
aguardar-job-completo criar-servidor listar-servidores detalhes-servidor
configurar-servidor-completo executar-comando-ssh destruir-servidor listar-apps-disponiveis
instalar-app listar-apps-instaladas desinstalar-app""".split()


def listed(tool):
    return bridge.described(tool).model_dump(by_alias=True, exclude_none=True, mode="json")


def test_the_tools_are_the_sixteen_of_the_specification():
    assert [tool.name for tool in TOOLS] == NAMES


def test_the_whole_list_costs_at_most_24_kb():
    whole = json.dumps({"tools": [listed(tool) for tool in TOOLS]})
    assert len(whole.encode()) <= 24_000


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_is_described_and_its_schemas_are_plain_objects(tool):
    told = listed(tool)
    assert told["title"]
    assert len(told["description"]) > 20
    assert set(told["annotations"]) >= {"readOnlyHint", "destructiveHint", "idempotentHint"}
    for schema in (told["inputSchema"], told["outputSchema"]):
        assert schema["type"] == "object"
        assert not {"oneOf", "anyOf", "allOf"} & set(schema)
    assert told["inputSchema"]["additionalProperties"] is False
    assert '"null"' not in json.dumps(told)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_destroys_or_costs_asks_first(tool):
    asks = {"criar-servidor", "destruir-servidor", "desinstalar-app", "executar-comando-ssh"}
    assert (tool.prepare is not None) == (tool.name in asks)
    assert ("confirmar" in tool.input_model.model_fields) == (tool.name in asks)
    assert issubclass(tool.input_model, Request)


def test_a_server_is_ordered_with_the_fields_of_the_wire():
    for name, field in inputs.CreateServerInput.model_fields.items():
        if name not in {"confirmar"}:
            assert field.annotation == CreateServer.model_fields[name].annotation
