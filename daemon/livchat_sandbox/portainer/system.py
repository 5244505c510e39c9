"""Portainer's status, version and public settings."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.portainer.http import ApiCall, json_response

_VERSION = "2.43.0"


async def status(call: ApiCall) -> web.Response:
    """`GET /system/status` and `GET /status`."""
    return json_response({"Version": _VERSION, "InstanceID": call.data.instance_id()})


async def public_settings(call: ApiCall) -> web.Response:
    """`GET /settings/public`."""
    return json_response(
        {
            "AuthenticationMethod": 1,
            "RequiredPasswordLength": 12,
            "RequiresSetupToken": call.data.password is None and call.data.guarded,
            "EnableEdgeComputeFeatures": False,
            "Features": {},
            "TeamSync": False,
        }
    )


async def version(_call: ApiCall) -> web.Response:
    """`GET /system/version`."""
    return json_response(
        {
            "UpdateAvailable": False,
            "LatestVersion": _VERSION,
            "ServerVersion": _VERSION,
            "VersionSupport": "STS",
            "ServerEdition": "CE",
            "DatabaseVersion": _VERSION,
        }
    )
