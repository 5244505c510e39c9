"""Portainer's environments: the Docker engines that it manages, and the proxy to them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from livchat_sandbox.portainer import docker_proxy
from livchat_sandbox.portainer.http import ApiCall, ApiError, json_response

_PERMISSIONS = (
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
_COMMON_FIELDS: dict[str, Any] = {
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
    "SecuritySettings": dict.fromkeys(_PERMISSIONS, False),
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


def _view(environment_id: int, name: str) -> dict[str, Any]:
    return {"Id": environment_id, "Name": name, **_COMMON_FIELDS}


async def index(call: ApiCall) -> web.Response:
    """`GET /endpoints`."""
    wanted = call.request.query.get("name")
    environments = [
        _view(environment_id, name)
        for environment_id, name in call.data.environments.items()
        if wanted in {None, "", name}
    ]
    count = str(len(environments))
    headers = {"X-Total-Count": count, "X-Total-Available": count}
    return json_response(environments, headers=headers)


async def show(call: ApiCall) -> web.Response:
    """`GET /endpoints/{id}`."""
    environment_id = call.environment(call.ids[0])
    return json_response(_view(environment_id, call.data.environments[environment_id]))


async def create(call: ApiCall) -> web.Response:
    """`POST /endpoints`, which reads form data and no JSON."""
    form = await call.request.post()
    name, kind = str(form.get("Name") or ""), form.get("EndpointCreationType")
    if not name or kind not in {"1", "2"}:
        raise ApiError(400, "Invalid request payload", "Invalid environment name or type")
    if name in call.data.environments.values():
        raise ApiError(409, "Name is not unique", "")
    environment_id = max(call.data.environments, default=0) + 1
    call.data.environments[environment_id] = name
    return json_response(_view(environment_id, name))


async def docker(call: ApiCall) -> web.Response:
    """`/endpoints/{id}/docker/...`, any method."""
    call.environment(call.ids[0])
    return docker_proxy.proxy(call.request, call.machine, call.ids[1])
