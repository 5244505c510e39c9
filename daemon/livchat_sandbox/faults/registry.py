"""All faults, by service and name: what a person reads, the routes it can happen to, its effect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from livchat_sandbox.faults.effects import (
    CloudflareEffect,
    CloudflareRefusal,
    CommandEffect,
    CommandFailure,
    ConnectEffect,
    Delivery,
    EdgePage,
    FailedActions,
    HetznerEffect,
    HetznerRefusal,
    NetworkEffect,
    PendingZones,
    PortainerDown,
    PortainerEffect,
    PortainerRefusal,
    RateLimited,
    SshEffect,
)

ANY = "any"
"""In place of a fault's name: one of the transient faults, drawn by the rule's seed."""
CONNECT = "connect"
"""The route of the making of a connection."""

Effect = TypeVar("Effect", covariant=True)


@dataclass(frozen=True)
class Fault(Generic[Effect]):
    """One thing that can go wrong.

    `routes` is a regular expression over the routes that it can happen to: `POST /servers`,
    `connect`, `docker stack deploy`. `transient` says that the same call may work the next time,
    so that a retry makes sense.
    """

    description: str
    effect: Effect
    routes: str = ".*"
    transient: bool = True

    def applies(self, route: str) -> bool:
        """Whether it can happen to a call of this route."""
        return re.fullmatch(self.routes, route) is not None


_CHANGES = "(POST|PUT|PATCH|DELETE) .*"
_CREATIONS = "POST /(servers|primary_ips|ssh_keys)"
_NEW_SERVER = "POST /servers"
_NOT_CONNECT = "(?!connect$).*"
_WRITES = (
    "(install|fallocate|mkswap|systemd-run .*|docker (stack deploy|[a-z]+ (create|init)|exec))"
)
_APT_LOCK = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-get)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), "
    "is another process using it?"
)
_RETIRED_TYPE = {"fields": [{"name": "server_type", "messages": ["is unavailable"]}]}


def _network(routes: str = ".*") -> dict[str, Fault[NetworkEffect]]:
    """The faults that every service over HTTP has."""
    return {
        "timeout_before": Fault(
            "no answer ever comes, and nothing is done",
            NetworkEffect(processed=False, delivery=Delivery.NEVER),
            routes,
        ),
        "timeout_after": Fault(
            "it is done, and the answer never comes",
            NetworkEffect(processed=True, delivery=Delivery.NEVER),
            routes,
        ),
        "reset": Fault(
            "the connection is reset, and nothing is done",
            NetworkEffect(processed=False, delivery=Delivery.RESET),
            routes,
        ),
        "lost": Fault(
            "it is done, and the connection is reset in place of the answer",
            NetworkEffect(processed=True, delivery=Delivery.RESET),
            routes,
        ),
        "slow": Fault(
            "the answer takes 20 s (scaled, and half a second at least)",
            NetworkEffect(processed=True, delivery=Delivery.LATE),
            routes,
        ),
        "garbage": Fault(
            "nothing is done, and the answer is 200 with a page of a proxy",
            NetworkEffect(processed=False, delivery=Delivery.WHOLE),
            routes,
        ),
        "truncated": Fault(
            "it is done, and the answer breaks off half-way",
            NetworkEffect(processed=True, delivery=Delivery.CUT),
            routes,
        ),
    }


HETZNER: dict[str, Fault[HetznerEffect]] = {
    **_network(),
    "server_error": Fault("500", HetznerRefusal(500, "server_error", "an internal error occurred")),
    "bad_gateway": Fault("502", HetznerRefusal(502, "bad_gateway", "bad gateway")),
    "unavailable": Fault(
        "503", HetznerRefusal(503, "unavailable", "service is temporarily unavailable")
    ),
    "gateway_timeout": Fault("504", HetznerRefusal(504, "timeout", "the request timed out")),
    "rate_limited": Fault("429: over the limit of requests", RateLimited()),
    "maintenance": Fault(
        "403: the project is being maintained",
        HetznerRefusal(403, "maintenance", "cannot perform operation: maintenance"),
        _CHANGES,
    ),
    "conflict": Fault(
        "409: something else changes it at this moment",
        HetznerRefusal(409, "conflict", "the resource was changed: please retry"),
        _CHANGES,
    ),
    "locked": Fault(
        "423: another action is under way on it",
        HetznerRefusal(423, "locked", "server is locked"),
        _CHANGES,
    ),
    "wrong_token": Fault(
        "401: the token is not known",
        HetznerRefusal(401, "unauthorized", "the token you have provided is invalid"),
        transient=False,
    ),
    "readonly_token": Fault(
        "401: the token may only read",
        HetznerRefusal(401, "token_readonly", "the token is read-only"),
        _CHANGES,
        transient=False,
    ),
    "uniqueness_error": Fault(
        "409: the name is taken",
        HetznerRefusal(
            409, "uniqueness_error", "name is already used", {"fields": [{"name": "name"}]}
        ),
        _CREATIONS,
        transient=False,
    ),
    "resource_limit_exceeded": Fault(
        "403: the project's limit is reached",
        HetznerRefusal(
            403,
            "resource_limit_exceeded",
            "project limit exceeded",
            {"limits": [{"name": "project_limit"}]},
        ),
        _CREATIONS,
        transient=False,
    ),
    "resource_unavailable": Fault(
        "412: the type is sold out there",
        HetznerRefusal(412, "resource_unavailable", "server type is unavailable in this location"),
        _NEW_SERVER,
        transient=False,
    ),
    "placement_error": Fault(
        "422: no host has room for it",
        HetznerRefusal(422, "placement_error", "error during placement"),
        _NEW_SERVER,
        transient=False,
    ),
    "type_retired": Fault(
        "422: the type is sold no more",
        HetznerRefusal(
            422,
            "invalid_input",
            "server type is deprecated and cannot be ordered any more",
            _RETIRED_TYPE,
        ),
        _NEW_SERVER,
        transient=False,
    ),
    "action_failed": Fault(
        "it is taken, and then the action fails",
        FailedActions(last_only=False),
        r"(POST /servers|DELETE /servers/\{id\}|POST /.*/actions/.*)",
        transient=False,
    ),
    "start_failed": Fault(
        "the server is made, and does not start",
        FailedActions(last_only=True),
        _NEW_SERVER,
        transient=False,
    ),
}

CLOUDFLARE: dict[str, Fault[CloudflareEffect]] = {
    **_network(),
    "server_error": Fault("500", CloudflareRefusal(500, 10013, "Unknown error has occurred")),
    "bad_gateway": Fault("502", EdgePage(502, "Bad gateway")),
    "unavailable": Fault("503", EdgePage(503, "Service temporarily unavailable")),
    "gateway_timeout": Fault("504", EdgePage(504, "Gateway time-out")),
    "rate_limited": Fault("429: over the limit of requests", RateLimited()),
    "record_exists": Fault(
        "400, 81057: there is such a record",
        CloudflareRefusal(400, 81057, "Record already exists."),
        "(POST|PUT) .*",
    ),
    "wrong_token": Fault(
        "403, 9109: the token is not known",
        CloudflareRefusal(403, 9109, "Invalid access token"),
        transient=False,
    ),
    "permission": Fault(
        "403, 10000: the token may not do this",
        CloudflareRefusal(403, 10000, "Authentication error"),
        transient=False,
    ),
    "zone_pending": Fault(
        "the zone is not active yet", PendingZones(), "GET /zones", transient=False
    ),
}

PORTAINER: dict[str, Fault[PortainerEffect]] = {
    **_network(_NOT_CONNECT),
    "server_error": Fault(
        "500",
        PortainerRefusal(500, "Unable to persist the change", "database is locked"),
        _NOT_CONNECT,
    ),
    "bad_gateway": Fault(
        "502",
        PortainerRefusal(502, "Unable to reach the environment", "bad gateway"),
        _NOT_CONNECT,
    ),
    "unavailable": Fault(
        "503",
        PortainerRefusal(503, "Unable to reach the environment", "unavailable"),
        _NOT_CONNECT,
    ),
    "gateway_timeout": Fault(
        "504",
        PortainerRefusal(504, "Unable to reach the environment", "time-out"),
        _NOT_CONNECT,
    ),
    "dead": Fault("it does not run: connections are refused", PortainerDown(), CONNECT),
    "expired": Fault(
        "401: the session has ended",
        PortainerRefusal(401, "Invalid JWT token", "Unauthorized"),
        "(?!connect$|POST /auth$|GET /system/).*",
    ),
    "throttled": Fault(
        "403: too many logins in a second",
        PortainerRefusal(403, "Access denied", "Access denied to resource"),
        "POST /auth",
    ),
    "conflict": Fault(
        "409: the stack is being deployed",
        PortainerRefusal(409, "Stack deployment is already in progress", "stack is deploying"),
        "(POST|PUT|DELETE) /stacks.*",
    ),
}

SSH: dict[str, Fault[SshEffect]] = {
    "refused": Fault("connections are refused", SshEffect(ConnectEffect.REFUSED), CONNECT),
    "silent": Fault(
        "connections and commands get no answer ever",
        SshEffect(ConnectEffect.SILENT, CommandEffect.SILENT),
    ),
    "reset": Fault(
        "the connection is reset; a command has not run",
        SshEffect(ConnectEffect.RESET, CommandEffect.RESET),
    ),
    "lost": Fault(
        "the command has run, and the connection is reset",
        SshEffect(on_command=CommandEffect.LOST),
        _NOT_CONNECT,
    ),
    "slow": Fault(
        "it takes 20 s (scaled, and half a second at least)",
        SshEffect(ConnectEffect.SLOW, CommandEffect.SLOW),
    ),
    "host_key_changed": Fault(
        "another host key is shown",
        SshEffect(ConnectEffect.OTHER_HOST_KEY),
        CONNECT,
        transient=False,
    ),
    "auth_refused": Fault(
        "our key is not let in", SshEffect(ConnectEffect.KEY_REJECTED), CONNECT, transient=False
    ),
    "command_fails": Fault(
        "the command ends with 1",
        SshEffect(on_command=CommandFailure("it was told to fail", 1)),
        _NOT_CONNECT,
        transient=False,
    ),
    "disk_full": Fault(
        "the command ends for want of room",
        SshEffect(on_command=CommandFailure("No space left on device", 1)),
        _WRITES,
        transient=False,
    ),
    "apt_lock": Fault(
        "another program holds apt's lock for longer than apt waits",
        SshEffect(on_command=CommandFailure(_APT_LOCK, 100)),
        "systemd-run apt-get .*",
    ),
}

FAULTS: Mapping[str, Mapping[str, Fault[object]]] = {
    "hetzner": HETZNER,
    "cloudflare": CLOUDFLARE,
    "portainer": PORTAINER,
    "ssh": SSH,
}
"""The faults of all services, by service and name."""
