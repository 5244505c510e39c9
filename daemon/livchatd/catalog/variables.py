"""The variables of a definition: their names, where they are used, and their substitution."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from livchat.errors import InvalidRequest
from livchatd.catalog.schema import Definition

SYSTEM = frozenset({"INSTANCE", "TIMEZONE", "EMAIL", "DOMAIN"})
"""Variables that every definition may use."""
BINDING = ("HOST", "PORT", "NAME", "USER", "PASSWORD", "INDEX", "URL")
"""The variables of a capability that an app uses, each with the alias before it."""

_TOKEN = re.compile(r"\$(?:(\$)|\{([A-Z][A-Z0-9_]*)\}|(.?))")


class Unset(Exception):
    """A variable has no value: its parameter is optional, and no value was given."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def exported(spec: Definition) -> list[str]:
    """Return the names of all variables that the definition may use; a collision is there twice."""
    return [
        *SYSTEM,
        *(name.upper() for name in spec.params),
        *(name.upper() for name in spec.secrets),
        *(f"{alias.upper()}_{part}" for alias in spec.uses for part in BINDING),
        *(f"{route.upper()}_{part}" for route in spec.routes for part in ("HOST", "URL")),
    ]


def used(tree: Any) -> set[str]:
    """Return the names of the variables in all strings of a tree.

    Raises `InvalidRequest` for a `$` that is neither doubled nor the start of a variable.
    """
    names: set[str] = set()
    for text in strings(tree):
        for match in _TOKEN.finditer(text):
            if match[2]:
                names.add(match[2])
            elif not match[1]:
                raise InvalidRequest(f"'$' must be doubled or begin a ${{VARIABLE}} in {text!r}")
    return names


def strings(tree: Any) -> Iterator[str]:
    """All strings of a tree of dicts and lists, keys left out."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping):
        for value in tree.values():
            yield from strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from strings(value)


def substitute(text: str, values: Mapping[str, str | None]) -> str:
    """Return the text with its variables' values and each `$$` as `$`; raises `Unset`."""

    def value(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        found = values.get(match[2])
        if found is None:
            raise Unset(match[2] or match[0])
        return found

    return _TOKEN.sub(value, text)


def walk(tree: Any, change: Callable[[str], str]) -> Any:
    """Return a copy of a tree with `change` applied to each string."""
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: walk(value, change) for key, value in tree.items()}
    if isinstance(tree, list):
        return [walk(value, change) for value in tree]
    return tree


def escape(text: str) -> str:
    """Return the text with each `$` doubled, which Compose reads as one."""
    return text.replace("$", "$$")
