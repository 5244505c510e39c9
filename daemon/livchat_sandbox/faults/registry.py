"""The faults that there are, by service, each with what a person reads of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

ANY = "any"
"""Instead of a name: one of the passing faults, drawn by the rule's seed."""


@dataclass(frozen=True)
class Fault:
    """What it is; `only` says which routes it can happen to.

    `passes` says that the same call may work the next time: it is worth to be tried again.
    """

    words: str
    only: str = ".*"
    passes: bool = True

    def applies(self, route: str) -> bool:
        """Whether it can happen to a call."""
        return re.fullmatch(self.only, route) is not None


_CHANGES = "(POST|PUT|PATCH|DELETE) .*"
_MADE = "POST /(servers|primary_ips|ssh_keys)"
_CALLS = "(?!connect$).*"
"""All but the making of a connection."""

_WRITES = (
    "(install|fallocate|mkswap|systemd-run .*|docker (stack deploy|[a-z]+ (create|init)|exec))"
)

_NETWORK = {
    "timeout_before": Fault("no answer ever comes, and nothing is done"),
    "timeout_after": Fault("it is done, and the answer never comes"),
    "reset": Fault("the connection is reset, and nothing is done"),
    "lost": Fault("it is done, and the connection is reset in place of the answer"),
    "slow": Fault("the answer takes 20 s (scaled, and half a second at least)"),
    "garbage": Fault("nothing is done, and the answer is 200 with a page of a proxy"),
    "truncated": Fault("it is done, and the answer breaks off half-way"),
    "server_error": Fault("500"),
    "bad_gateway": Fault("502"),
    "unavailable": Fault("503"),
    "gateway_timeout": Fault("504"),
}

FAULTS: dict[str, dict[str, Fault]] = {
    "hetzner": {
        **_NETWORK,
        "rate_limited": Fault("429: over the limit of requests"),
        "maintenance": Fault("403: the project is being maintained", _CHANGES),
        "conflict": Fault("409: something else changes it at this moment", _CHANGES),
        "locked": Fault("423: another action is under way on it", _CHANGES),
        "wrong_token": Fault("401: the token is not known", passes=False),
        "readonly_token": Fault("401: the token may only read", _CHANGES, passes=False),
        "uniqueness_error": Fault("409: the name is taken", _MADE, passes=False),
        "resource_limit_exceeded": Fault(
            "403: the project's limit is reached", _MADE, passes=False
        ),
        "resource_unavailable": Fault(
            "412: the type is sold out there", "POST /servers", passes=False
        ),
        "placement_error": Fault("422: no host has room for it", "POST /servers", passes=False),
        "type_retired": Fault("422: the type is sold no more", "POST /servers", passes=False),
        "action_failed": Fault(
            "it is taken, and then the action fails",
            r"(POST /servers|DELETE /servers/\{id\}|POST /.*/actions/.*)",
            passes=False,
        ),
        "start_failed": Fault(
            "the server is made, and does not start", "POST /servers", passes=False
        ),
    },
    "cloudflare": {
        **_NETWORK,
        "rate_limited": Fault("429: over the limit of requests"),
        "record_exists": Fault("400, 81057: there is such a record", "(POST|PUT) .*"),
        "wrong_token": Fault("403, 9109: the token is not known", passes=False),
        "permission": Fault("403, 10000: the token may not do this", passes=False),
        "zone_pending": Fault("the zone is not active yet", "GET /zones", passes=False),
    },
    "portainer": {
        **{name: replace(fault, only=_CALLS) for name, fault in _NETWORK.items()},
        "dead": Fault("it does not run: connections are refused", "connect"),
        "expired": Fault("401: the session has ended", "(?!connect$|POST /auth$|GET /system/).*"),
        "throttled": Fault("403: too many logins in a second", "POST /auth"),
        "conflict": Fault("409: the stack is being deployed", "(POST|PUT|DELETE) /stacks.*"),
    },
    "ssh": {
        "refused": Fault("connections are refused", "connect"),
        "silent": Fault("connections and commands get no answer ever"),
        "reset": Fault("the connection is reset; a command has not run"),
        "lost": Fault("the command has run, and the connection is reset", _CALLS),
        "slow": Fault("it takes 20 s (scaled, and half a second at least)"),
        "host_key_changed": Fault("another host key is shown", "connect", passes=False),
        "auth_refused": Fault("our key is not let in", "connect", passes=False),
        "command_fails": Fault("the command ends with 1", _CALLS, passes=False),
        "disk_full": Fault("the command ends for want of room", _WRITES, passes=False),
        "apt_lock": Fault(
            "another program holds apt's lock for longer than apt waits", "systemd-run apt-get .*"
        ),
    },
}
