"""Portainer's stacks, which are deployed in the background: a call is answered before the end."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from livchat_sandbox.machine.portainer_data import ACTIVE, DEPLOYING, INACTIVE, PortainerStack
from livchat_sandbox.portainer.http import ApiCall, ApiError, json_response, read_body


def _view(stack: PortainerStack) -> dict[str, Any]:
    return {
        "Id": stack.id,
        "Name": stack.name,
        "Type": 1,
        "EndpointId": stack.endpoint,
        "SwarmId": stack.swarm,
        "EntryPoint": "docker-compose.yml",
        "Env": stack.env,
        "ResourceControl": {
            "Id": stack.id,
            "ResourceId": f"{stack.endpoint}_{stack.name}",
            "SubResourceIds": [],
            "Type": 6,
            "UserAccesses": [],
            "TeamAccesses": [],
            "Public": False,
            "AdministratorsOnly": True,
            "System": False,
        },
        "Status": stack.status,
        "DeploymentStatus": stack.history,
        "ProjectPath": f"/data/compose/{stack.id}",
        "CreationDate": int(stack.created),
        "CreatedBy": "admin",
        "UpdateDate": int(stack.updated),
        "UpdatedBy": "admin" if stack.updated else "",
        "AdditionalFiles": [],
        "FromAppTemplate": False,
        "Namespace": "",
    }


def _find(call: ApiCall) -> PortainerStack:
    if not call.ids[0].isdecimal():
        raise ApiError(400, "Invalid stack identifier route variable", "Invalid route variable")
    stack = call.data.stacks.get(int(call.ids[0]))
    if stack is None:
        raise ApiError(
            404,
            "Unable to find a stack with the specified identifier inside the database",
            "Object not found inside the database",
        )
    return stack


def _env(data: dict[str, Any]) -> list[dict[str, str]]:
    pairs = data.get("Env") or []
    try:
        return [{"name": str(pair["name"]), "value": str(pair["value"])} for pair in pairs]
    except (TypeError, KeyError) as error:
        raise ApiError(400, "Invalid request payload", "Invalid Env") from error


async def create(call: ApiCall) -> web.Response:
    """`POST /stacks/create/swarm/string`."""
    data = await read_body(call.request, Name=str, SwarmID=str, StackFileContent=str)
    endpoint = call.environment(call.request.query.get("endpointId"))
    name = re.sub(r"[^-_a-z0-9]+", "", data["Name"].lower())
    existing = {stack.name for stack in call.data.stacks.values()}
    if name in existing or call.machine.engine.services_of(name):
        message = f"A stack with the normalized name '{name}' already exists"
        raise ApiError(409, message, message)
    stack = PortainerStack(
        id=call.data.next_id(),
        name=name,
        swarm=data["SwarmID"],
        endpoint=endpoint,
        file=data["StackFileContent"],
        env=_env(data),
        created=call.machine.clock.now(),
    )
    call.data.stacks[stack.id] = stack
    call.data.deploy(stack, call.machine.clock)
    return json_response(_view(stack))


async def index(call: ApiCall) -> web.Response:
    """`GET /stacks`."""
    try:
        filters = json.loads(call.request.query.get("filters") or "{}")
        swarm, endpoint = filters.get("SwarmID"), filters.get("EndpointID")
    except (ValueError, AttributeError) as error:
        raise ApiError(400, "Invalid query parameter: filters", str(error)) from error
    return json_response(
        [
            _view(stack)
            for stack in call.data.stacks.values()
            if swarm in {None, "", stack.swarm} and endpoint in {None, 0, stack.endpoint}
        ]
    )


async def show(call: ApiCall) -> web.Response:
    """`GET /stacks/{id}`."""
    return json_response(_view(_find(call)))


async def file(call: ApiCall) -> web.Response:
    """`GET /stacks/{id}/file`."""
    return json_response({"StackFileContent": _find(call).file})


async def update(call: ApiCall) -> web.Response:
    """`PUT /stacks/{id}`."""
    stack = _find(call)
    call.environment(call.request.query.get("endpointId"))
    data = await read_body(call.request, StackFileContent=str)
    if stack.status == DEPLOYING:
        raise ApiError(409, "Stack deployment is already in progress", "stack is deploying")
    stack.file, stack.env = data["StackFileContent"], _env(data)
    stack.prune = bool(data.get("Prune"))
    stack.updated = call.machine.clock.now()
    call.data.deploy(stack, call.machine.clock)
    return json_response(_view(stack))


async def delete(call: ApiCall) -> web.Response:
    """`DELETE /stacks/{id}`; with `external`, by name, a stack that Portainer did not make."""
    if call.request.query.get("external") == "true":
        name = call.ids[0]
        existing = {stack.name for stack in call.data.stacks.values()}
        call.environment(call.request.query.get("endpointId"))
        if name in existing:
            message = (
                "A stack with this name exists inside the database. Cannot use external delete"
            )
            raise ApiError(400, message, message)
        call.machine.engine.remove(name)
        return web.Response(status=204)
    stack = _find(call)
    environment = call.request.query.get("endpointId", "0")
    if call.environment(environment) != stack.endpoint:
        raise ApiError(404, "Unable to find the environment associated to the stack")
    call.machine.engine.remove(stack.name)
    del call.data.stacks[stack.id]
    return web.Response(status=204)


async def switch(call: ApiCall) -> web.Response:
    """`POST /stacks/{id}/start` and `/stop`."""
    stack, verb = _find(call), call.ids[1]
    call.environment(call.request.query.get("endpointId"))
    if stack.status == DEPLOYING:
        raise ApiError(409, "Stack deployment is already in progress", "stack is deploying")
    if verb == "start":
        if stack.status == ACTIVE:
            raise ApiError(409, "Stack is already active", "Stack is already active")
        call.data.deploy(stack, call.machine.clock)
    else:
        if stack.status == INACTIVE:
            raise ApiError(400, "Stack is already inactive", "Stack is already inactive")
        call.machine.engine.remove(stack.name)
        stack.status = INACTIVE
    return json_response(_view(stack))
