"""Settings as they are typed: `key=value`, `app.key=value`, `key=@FILE` for a secret; ports."""

from __future__ import annotations

from livchat.cli.input import prompts
from livchat.errors import Invalid

Value = str | int | float | bool


def pairs(typed: list[str]) -> dict[str, Value]:
    """`k=v` texts as a config; raises Invalid for what has no `=`."""
    return dict(_pair(text) for text in typed)


def per_app(typed: list[str], apps: list[str]) -> dict[str, dict[str, Value]]:
    """`app.k=v` texts as a config for each app; with one app its name may be left out."""
    found: dict[str, dict[str, Value]] = {}
    for text in typed:
        key, value = _pair(text)
        app, dot, rest = key.partition(".")
        if not dot:
            if len(apps) != 1:
                raise Invalid.field(
                    "--set", f"{text!r} does not say of which app", hint="--set APP.K=V"
                )
            app, rest = apps[0], key
        found.setdefault(app, {})[rest] = value
    return found


def ports(typed: list[str] | None) -> list[str] | None:
    """`--open` texts as ports: None leaves them as they are, `none` closes all of them."""
    if not typed:
        return None
    if "none" not in typed:
        return typed
    if len(typed) > 1:
        raise Invalid.field("--open", "none stands alone", hint="--open none")
    return []


def _pair(text: str) -> tuple[str, Value]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise Invalid.field(
            "--set", f"{text!r} is not of the form key=value", hint="--set KEY=VALUE"
        )
    if value.startswith("@"):
        # A password in an argument would be seen in the process list.
        return key.strip(), prompts.secret(key.strip(), value[1:])
    return key.strip(), _value(value)


def _value(text: str) -> Value:
    """Numbers and truth values as such; a number that would not be written so stays text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        return found if str(found) == text and text[-1].isdigit() else text
    return text
