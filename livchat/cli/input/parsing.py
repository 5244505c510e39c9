"""Settings and ports as they are typed: `key=value`, `app.key=value`, `key=@FILE`, `25/tcp`."""

from __future__ import annotations

from livchat.cli.input import prompts
from livchat.errors import InvalidRequest

Value = str | int | float | bool


def app_values(typed: list[str]) -> dict[str, Value]:
    """The values of an app's variables from `k=v` texts; raises InvalidRequest without a `=`."""
    return dict(_pair(text) for text in typed)


def values_per_app(typed: list[str], apps: list[str]) -> dict[str, dict[str, Value]]:
    """The values for each app from `app.k=v` texts; of a single app the name may be left out."""
    found: dict[str, dict[str, Value]] = {}
    for text in typed:
        key, value = _pair(text)
        app, dot, rest = key.partition(".")
        if not dot:
            if len(apps) != 1:
                raise InvalidRequest.field(
                    "--set", f"{text!r} does not say of which app", hint="--set APP.K=V"
                )
            app, rest = apps[0], key
        found.setdefault(app, {})[rest] = value
    return found


def ports(typed: list[str] | None) -> list[str] | None:
    """The ports of `--open`: None leaves them as they are, `none` closes all of them."""
    if not typed:
        return None
    if "none" not in typed:
        return typed
    if len(typed) > 1:
        raise InvalidRequest.field("--open", "none stands alone", hint="--open none")
    return []


def _pair(text: str) -> tuple[str, Value]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidRequest.field(
            "--set", f"{text!r} is not of the form key=value", hint="--set KEY=VALUE"
        )
    if value.startswith("@"):
        # A password as an argument would show in the list of processes.
        return key.strip(), prompts.secret(key.strip(), value[1:])
    return key.strip(), _value(value)


def _value(text: str) -> Value:
    """Numbers and truth values as such; what Python would write otherwise stays text: 007, 1e3."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        return found if str(found) == text and text[-1].isdigit() else text
    return text
