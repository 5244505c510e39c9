"""Portainer's environments: the Docker engine that it looks after, and the way through to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livchat_sandbox.portainer import docker_proxy
from livchat_sandbox.portainer.http import Failure, answer

if TYPE_CHECKING:
    from aiohttp import web

    from livchat_sandbox.portainer.http import Call

_RIGHTS = (
    "allowBindMountsForRegularUsers",
    "allowContainerCapabilitiesForRegularUsers",
    "allowDeviceMappingForRegularUsers",
    "allowHostNamespaceForRegularUsers",
    "allowPrivilegedModeForRegularUsers",
    "allowSecurityOptForRegularUsers",
    "allowStackManagementForRegularUsers",
    "allowSysctlSettingForRegularUsers",
    "allowVolumeBrowserForRegularUsers",
    "enableHostManagementFeatures",
)
_SAME: dict[str, Any] = {
    "Type": 1,
    "URL": "unix:///var/run/docker.sock",
    "GroupId": 1,
    "PublicURL": "",
    "ContainerEngine": "docker",
    "ComposeSyntaxMaxVersion": "3.9",
    "EdgeCheckinInterval": 5,
    "EdgeKey": "",
    "LastCheckInDate": 0,
    "Status": 1,
    "Snapshots": [],
    "TagIds": [],
    "Gpus": [],
    "UserAccessPolicies": {},
    "TeamAccessPolicies": {},
    "Agent": {"Version": ""},
    "TLSConfig": {"TLS": False, "TLSSkipVerify": False},
    "SecuritySettings": dict.fromkeys(_RIGHTS, False),
    "Edge": {"AsyncMode": False, "CommandInterval": 0, "PingInterval": 0, "SnapshotInterval": 0},
    "Kubernetes": {
        "Configuration": {"AllowNoneIngressClass": False, "IngressAvailabilityPerNamespace": False},
        "Flags": {
            "IsServerIngressClassDetected": False,
            "IsServerMetricsDetected": False,
            "IsServerStorageDetected": False,
        },
        "Snapshots": [],
    },
}


def _shown(number: int, name: str) -> dict[str, Any]:
    return {"Id": number, "Name": name, **_SAME}


async def index(call: Call) -> web.Response:
    """`GET /endpoints`."""
    wanted = call.request.query.get("name")
    found = [
        _shown(number, name)
        for number, name in call.data.environments.items()
        if wanted in {None, "", name}
    ]
    count = {"X-Total-Count": str(len(found)), "X-Total-Available": str(len(found))}
    return answer(found, headers=count)


async def show(call: Call) -> web.Response:
    """`GET /endpoints/{id}`."""
    number = call.environment(call.ids[0])
    return answer(_shown(number, call.data.environments[number]))


async def create(call: Call) -> web.Response:
    """`POST /endpoints`, which reads form data and no JSON."""
    given = await call.request.post()
    name, kind = str(given.get("Name") or ""), given.get("EndpointCreationType")
    if not name or kind not in {"1", "2"}:
        raise Failure(400, "Invalid request payload", "Invalid environment name or type")
    if name in call.data.environments.values():
        raise Failure(409, "Name is not unique", "")
    number = max(call.data.environments, default=0) + 1
    call.data.environments[number] = name
    return answer(_shown(number, name))


async def docker(call: Call) -> web.Response:
    """`/endpoints/{id}/docker/...`, any method."""
    call.environment(call.ids[0])
    return docker_proxy.proxy(call.request, call.machine, call.ids[1])
