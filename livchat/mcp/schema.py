"""JSON schemas of arguments and results, short: a conversation pays for each character of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]

_DESCRIPTIONS = {
    "server_name": "Nome do servidor",
    "name": "Nome",
    "server_type": "Tamanho, ex. cx23; sem ele, o mais barato disponível",
    "region": "Local, ex. nbg1",
    "image": "Sistema, ex. debian-12",
    "provider": "hetzner ou sandbox (simulado, grátis)",
    "cpu": "Mínimo de núcleos",
    "ram": "Mínimo de GB de memória",
    "zone_name": "Zona no Cloudflare, ex. example.com",
    "subdomain": "Entre app e zona, ex. lab: n8n.lab.example.com",
    "ssl_email": "E-mail dos certificados",
    "timezone": "Fuso IANA, ex. America/Sao_Paulo",
    "open_ports": "Portas abertas ao mundo, ex. 25/tcp; sem ele, como estavam",
    "challenge": "Desafio ACME",
    "app_name": "Nome no catálogo, ex. n8n",
    "config": "Respostas aos params do app no catálogo",
    "command": "Comando do shell",
    "timeout": "Segundos, conexão inclusa",
    "job_id": "Id devolvido por quem iniciou o job",
    "maxWait": "Segundos a esperar no máximo",
    "cursor": "next_cursor da página anterior",
    "verify": "Testar antes de guardar",
    "confirmar": "Só para clientes sem elicitation: a frase exata que a recusa mostra, "
    "depois que a pessoa concordar",
}
_NULL = {"type": "null"}


def input_schema(model: type[BaseModel]) -> Json:
    """The schema of a tool's arguments, each with what it means."""
    schema = _short(model.model_json_schema(mode="validation"))
    schema.setdefault("properties", {})
    for name, field in schema["properties"].items():
        if name in _DESCRIPTIONS:
            field["description"] = _DESCRIPTIONS[name]
    return schema


def output_schema(model: type[BaseModel]) -> Json:
    """The schema of a tool's result."""
    return _short(model.model_json_schema(mode="serialization"))


def _short(schema: Json) -> Json:
    """The schema without titles, descriptions and null defaults."""
    found: Json = {}
    for key, value in schema.items():
        if key in ("title", "description") or (key == "default" and value is None):
            continue
        if key in ("properties", "$defs"):
            found[key] = {name: _short(field) for name, field in value.items()}
        elif isinstance(value, dict):
            found[key] = _short(value)
        elif isinstance(value, list):
            found[key] = [_short(item) if isinstance(item, dict) else item for item in value]
        else:
            found[key] = value
    return _without_null(found)


def _without_null(schema: Json) -> Json:
    """The schema without null, as some clients need it: such a field may be left out."""
    fields: Json = schema.get("properties", {})
    needed = [name for name in schema.get("required", []) if not _may_be_null(fields.get(name))]
    found = (
        {**schema, "properties": {k: _plain(v) for k, v in fields.items()}} if fields else schema
    )
    return {**found, "required": needed} if "required" in schema else found


def _may_be_null(field: Json | None) -> bool:
    return field is not None and _NULL in field.get("anyOf", [])


def _plain(field: Json) -> Json:
    if not _may_be_null(field):
        return field
    kinds = [kind for kind in field["anyOf"] if kind != _NULL]
    others = {key: value for key, value in field.items() if key != "anyOf"}
    return {**others, **kinds[0]} if len(kinds) == 1 else {**others, "anyOf": kinds}
