"""All errors as one tree: each class has its code on the wire, HTTP status and exit code.

LivChatError              internal              500  1   a fault of ours
├── BadRequest            bad_request           400  2   the request cannot be read
├── Unauthorized          unauthorized          401  6   no token, or a wrong one
├── Forbidden             forbidden             403  6   this caller may not
├── NotFound              not_found             404  7   there is no such thing
├── MethodNotAllowed      method_not_allowed    405  2   the route has no such method
├── Conflict              conflict              409  4   not possible in the present state
├── CursorGone            cursor_gone           410  1   the events asked for are no longer there
├── TooLarge              too_large             413  2   the body is over its limit
├── UnsupportedMedia      unsupported_media     415  2   the body is not JSON
├── InvalidRequest        invalid               422  2   a field is not what it may be
├── RateLimited           rate_limited          429  1   too many requests; passes
├── ProviderError         provider_error        502  1   a remote system or a server refused
│   ├── SoldOut           sold_out              502  1   the type cannot be had there now
│   ├── HostKeyChanged    host_key_changed      502  1   a server shows another key than was pinned
│   └── CommandFailed     command_failed        502  1   a command on a server ended with an error
├── ProviderUnavailable   provider_unavailable  503  1   it does not answer; passes
├── NotConfigured         not_configured        503  2   a credential is missing
├── StorageFull           storage_full          507  1   the disk of the daemon is full; passes
├── TimedOut              timeout               504  1   it took longer than it may
├── DaemonUnreachable     daemon_unreachable    503  5   the daemon does not answer (client only)
├── JobFailed             job_failed            500  1   the job has failed (3 if it left something)
├── JobCancelled          job_cancelled         500  9   the job waited for was cancelled
└── WaitTimedOut          wait_timed_out        504  8   the wait ended; the job goes on
"""

from __future__ import annotations

from typing import Any, ClassVar


class LivChatError(Exception):
    """An error that a person can act on: what happened, why, and the next command.

    `message` is one line in lower case; `hint` the next command to type, or None; `details`
    what a program can use (the id of the job in the way, the fields that are wrong). Both texts may
    be a `livchat.messages.Message`; `messages` has the references of an error that came by wire.
    `transient` says that the same call may succeed a little later: the engine tries it again.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: int = 1
    transient: ClassVar[bool] = False

    def __init__(
        self, message: str, *, hint: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = details or {}
        self.messages: dict[str, Any] | None = None


class BadRequest(LivChatError):
    """The request cannot be read."""

    code, status, exit_code = "bad_request", 400, 2


class Unauthorized(LivChatError):
    """No token was given, or a wrong one."""

    code, status, exit_code = "unauthorized", 401, 6


class Forbidden(LivChatError):
    """The caller may not do this."""

    code, status, exit_code = "forbidden", 403, 6


class NotFound(LivChatError):
    """There is no such thing."""

    code, status, exit_code = "not_found", 404, 7


class MethodNotAllowed(LivChatError):
    """The route does not have this method."""

    code, status, exit_code = "method_not_allowed", 405, 2


class Conflict(LivChatError):
    """Not possible in the present state; details name the job or the resource in the way."""

    code, status, exit_code = "conflict", 409, 4


class CursorGone(LivChatError):
    """The events after this cursor are no longer all there; details say where to begin."""

    code, status = "cursor_gone", 410


class TooLarge(LivChatError):
    """The body is over its limit."""

    code, status, exit_code = "too_large", 413, 2


class UnsupportedMedia(LivChatError):
    """The body is not JSON."""

    code, status, exit_code = "unsupported_media", 415, 2


class InvalidRequest(LivChatError):
    """A field is not what it may be; details.fields is a list of {field, message}."""

    code, status, exit_code = "invalid", 422, 2

    @classmethod
    def field(cls, name: str, message: str, *, hint: str | None = None) -> InvalidRequest:
        """One field that is wrong."""
        return cls(
            f"{name}: {message}",
            hint=hint,
            details={"fields": [{"field": name, "message": message}]},
        )


class RateLimited(LivChatError):
    """Too many requests."""

    code, status, transient = "rate_limited", 429, True


class ProviderError(LivChatError):
    """Hetzner, Cloudflare, Portainer or a server refused."""

    code, status = "provider_error", 502


class SoldOut(ProviderError):
    """A server type cannot be had at a location now; details list what can."""

    code = "sold_out"


class HostKeyChanged(ProviderError):
    """A server shows another host key than the one that was pinned."""

    code = "host_key_changed"


class CommandFailed(ProviderError):
    """A command on a server ended with an error."""

    code = "command_failed"


class ProviderUnavailable(LivChatError):
    """A remote system does not answer; the same call may work a little later."""

    code, status, transient = "provider_unavailable", 503, True


class NotConfigured(LivChatError):
    """A credential is missing."""

    code, status, exit_code = "not_configured", 503, 2


class StorageFull(LivChatError):
    """The disk under the daemon's table is full."""

    code, status, transient = "storage_full", 507, True


class TimedOut(LivChatError):
    """It took longer than it may."""

    code, status, transient = "timeout", 504, True


class DaemonUnreachable(LivChatError):
    """The daemon does not answer, and could not be started."""

    code, status, exit_code = "daemon_unreachable", 503, 5


class JobFailed(LivChatError):
    """The job that was waited for has failed."""

    code = "job_failed"


class JobCancelled(LivChatError):
    """The job that was waited for was cancelled."""

    code, exit_code = "job_cancelled", 9


class WaitTimedOut(LivChatError):
    """The wait ended before the job did; the job goes on."""

    code, status, exit_code = "wait_timed_out", 504, 8


def _tree(root: type[LivChatError]) -> list[type[LivChatError]]:
    return [root, *(found for child in root.__subclasses__() for found in _tree(child))]


BY_CODE: dict[str, type[LivChatError]] = {kind.code: kind for kind in _tree(LivChatError)}
