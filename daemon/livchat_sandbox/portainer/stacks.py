"""Portainer's stacks: deployed in the background, so an answer comes before the end of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from livchat_sandbox.machine.portainer_data import ACTIVE, DEPLOYING, INACTIVE, Stack
from livchat_sandbox.portainer.http import Failure, answer, body

if TYPE_CHECKING:
    from livchat_sandbox.portainer.http import Call


def _shown(stack: Stack) -> dict[str, Any]:
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


def _find(call: Call) -> Stack:
    if not call.ids[0].isdecimal():
        raise Failure(400, "Invalid stack identifier route variable", "Invalid route variable")
    stack = call.data.stacks.get(int(call.ids[0]))
    if stack is None:
        raise Failure(
            404,
            "Unable to find a stack with the specified identifier inside the database",
            "Object not found inside the database",
        )
    return stack


def _env(given: dict[str, Any]) -> list[dict[str, str]]:
    pairs = given.get("Env") or []
    try:
        return [{"name": str(pair["name"]), "value": str(pair["value"])} for pair in pairs]
    except (TypeError, KeyError) as error:
        raise Failure(400, "Invalid request payload", "Invalid Env") from error


async def create(call: Call) -> web.Response:
    """`POST /stacks/create/swarm/string`."""
    given = await body(call.request, Name=str, SwarmID=str, StackFileContent=str)
    endpoint = call.environment(call.request.query.get("endpointId"))
    name = re.sub(r"[^-_a-z0-9]+", "", given["Name"].lower())
    taken = {stack.name for stack in call.data.stacks.values()}
    if name in taken or call.machine.engine.of(name):
        message = f"A stack with the normalized name '{name}' already exists"
        raise Failure(409, message, message)
    stack = Stack(
        id=call.data.number(),
        name=name,
        swarm=given["SwarmID"],
        endpoint=endpoint,
        file=given["StackFileContent"],
        env=_env(given),
        created=call.machine.clock.now(),
    )
    call.data.stacks[stack.id] = stack
    call.data.deploy(stack, call.machine.clock)
    return answer(_shown(stack))


async def index(call: Call) -> web.Response:
    """`GET /stacks`."""
    try:
        filters = json.loads(call.request.query.get("filters") or "{}")
        swarm, endpoint = filters.get("SwarmID"), filters.get("EndpointID")
    except (ValueError, AttributeError) as error:
        raise Failure(400, "Invalid query parameter: filters", str(error)) from error
    return answer(
        [
            _shown(stack)
            for stack in call.data.stacks.values()
            if swarm in {None, "", stack.swarm} and endpoint in {None, 0, stack.endpoint}
        ]
    )


async def show(call: Call) -> web.Response:
    """`GET /stacks/{id}`."""
    return answer(_shown(_find(call)))


async def file(call: Call) -> web.Response:
    """`GET /stacks/{id}/file`."""
    return answer({"StackFileContent": _find(call).file})


async def update(call: Call) -> web.Response:
    """`PUT /stacks/{id}`."""
    stack = _find(call)
    call.environment(call.request.query.get("endpointId"))
    given = await body(call.request, StackFileContent=str)
    if stack.status == DEPLOYING:
        raise Failure(409, "Stack deployment is already in progress", "stack is deploying")
    stack.file, stack.env = given["StackFileContent"], _env(given)
    stack.prune = bool(given.get("Prune"))
    stack.updated = call.machine.clock.now()
    call.data.deploy(stack, call.machine.clock)
    return answer(_shown(stack))


async def delete(call: Call) -> web.Response:
    """`DELETE /stacks/{id}`, or by name a stack that Portainer did not make."""
    if call.request.query.get("external") == "true":
        name = call.ids[0]
        made = {stack.name for stack in call.data.stacks.values()}
        call.environment(call.request.query.get("endpointId"))
        if name in made:
            message = (
                "A stack with this name exists inside the database. Cannot use external delete"
            )
            raise Failure(400, message, message)
        call.machine.engine.remove(name)
        return web.Response(status=204)
    stack = _find(call)
    given = call.request.query.get("endpointId", "0")
    if call.environment(given) != stack.endpoint:
        raise Failure(404, "Unable to find the environment associated to the stack")
    call.machine.engine.remove(stack.name)
    del call.data.stacks[stack.id]
    return web.Response(status=204)


async def switch(call: Call) -> web.Response:
    """`POST /stacks/{id}/start` and `/stop`."""
    stack, verb = _find(call), call.ids[1]
    call.environment(call.request.query.get("endpointId"))
    if stack.status == DEPLOYING:
        raise Failure(409, "Stack deployment is already in progress", "stack is deploying")
    if verb == "start":
        if stack.status == ACTIVE:
            raise Failure(409, "Stack is already active", "Stack is already active")
        call.data.deploy(stack, call.machine.clock)
    else:
        if stack.status == INACTIVE:
            raise Failure(400, "Stack is already inactive", "Stack is already inactive")
        call.machine.engine.remove(stack.name)
        stack.status = INACTIVE
    return answer(_shown(stack))
