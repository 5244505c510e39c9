"""Sentences for people: an id with values beside an English text, put into words where it is read.

The daemon speaks English and sends, beside a text, the ids and values of the sentences in it, under
`messages` by the name of the text's field. Whoever shows the text says it in the reader's language,
from the gettext catalogs in `locale/`; without a catalog, or for an id that it does not know, the
English text stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

LOCALE = Path(__file__).parent / "locale"
PORTUGUESE = "pt_BR"


class Message(str):
    """A sentence with its values in place, in English: a text that knows its id and its values.

    What is made of it by joining or slicing is plain text again. `values` are texts, numbers and
    other messages.
    """

    __slots__ = ("id", "values")
    id: str
    values: Mapping[str, Any]

    def __new__(cls, id: str, text: str, values: Mapping[str, Any]) -> Self:  # noqa: A002
        """Make it of its English text."""
        message = super().__new__(cls, text)
        message.id, message.values = id, values
        return message


class Sentence:
    """A sentence by its id, with its English text: `{name}` stands for the value `name`."""

    def __init__(self, id: str, english: str) -> None:  # noqa: A002
        self.id: Final = id
        self.english: Final = english

    def __call__(self, **values: Any) -> Message:
        """Return the sentence with these values."""
        return Message(self.id, self.english.format(**values), values)


def references(
    texts: Mapping[str, str | None], clean: Callable[[str], str] = str
) -> dict[str, Any] | None:
    """Return `{"id", "values"}` of each text that is a message, by its name; None if none is.

    `clean` is applied to every value that is a text: secrets and control characters go.
    """
    found = {
        name: _reference(text, clean) for name, text in texts.items() if isinstance(text, Message)
    }
    return found or None


def in_words(found: Mapping[str, Any], field: str) -> str:
    """Return a field of an answer in the reader's language; an absent text is an empty one.

    `found` is a JSON object with the text in `field` and maybe its reference in `messages`.
    """
    text = str(found.get(field) or "")
    reference = (found.get("messages") or {}).get(field)
    if reference is None or not portuguese():
        return text
    return _translated(reference, text)


class Translator:
    """The sentences of one program in the reader's language: English texts by key.

    The id of a sentence in the catalogs is `group.key`.
    """

    def __init__(self, group: str, english: Mapping[str, str]) -> None:
        self._group = group
        self._english = english

    def __call__(self, key: str, **values: object) -> str:
        """Return the sentence of a key, with its values."""
        text = self._english[key]
        if portuguese():
            text = _sentence(f"{self._group}.{key}") or text
        return text.format(**values)


def portuguese() -> bool:
    """Whether the locale asks for Portuguese: LC_ALL before LC_MESSAGES before LANG."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return value.lower().startswith("pt")
    return False


def _reference(message: Message, clean: Callable[[str], str]) -> dict[str, Any]:
    return {
        "id": message.id,
        "values": {name: _plain(value, clean) for name, value in message.values.items()},
    }


def _plain(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, Message):
        return {**_reference(value, clean), "text": clean(value)}
    return value if isinstance(value, int | float) else clean(str(value))


def _translated(reference: Mapping[str, Any], text: str) -> str:
    sentence = _sentence(str(reference.get("id")))
    if sentence is None:
        return text
    values = {
        name: _translated(value, str(value.get("text", ""))) if isinstance(value, dict) else value
        for name, value in (reference.get("values") or {}).items()
    }
    try:
        return sentence.format(**values)
    except (LookupError, ValueError):
        return text  # Another version of the daemon: its sentence has other values.


def _sentence(id: str) -> str | None:  # noqa: A002
    """Return the sentence of an id in Portuguese; None if the catalog has none."""
    found = _catalog().gettext(id) if id else id  # the empty id is the catalog's own head
    return None if found == id else str(found)


@cache
def _catalog() -> Any:
    import gettext  # noqa: PLC0415 - who reads English never needs it

    return gettext.translation("livchat", LOCALE, [PORTUGUESE], fallback=True)


STEP_FAILED = Sentence("job.step_failed", "{step}: {error}")
DAEMON_FAULT = Sentence("job.daemon_fault", "the daemon met a fault of its own: {kind}")
TOOK_TOO_LONG = Sentence("job.took_too_long", "it took longer than it may")
SERVER_THERE = Sentence("server.there", "there is already a server '{name}'")
SERVER_MISSING = Sentence("server.missing", "there is no server '{name}'")
SERVER_MISSING_HERE = Sentence("server.missing_here", "there is no server '{name}' here")
JOB_MISSING = Sentence("job.missing", "there is no job '{job}'")
NO_ADDRESSES = Sentence("provider.no_addresses", "{provider} has no addresses to be reserved")
RESERVE_NAME = Sentence("step.reserve_name", "Reserve the name")
MAKE_KEYS = Sentence("step.make_keys", "Make keys")
RESERVE_ADDRESS = Sentence("step.reserve_address", "Reserve an address")
REGISTER_KEY = Sentence("step.register_key", "Register the SSH key")
CREATE_MACHINE = Sentence("step.create_machine", "Create the machine")
WAIT_FOR_MACHINE = Sentence("step.wait_for_machine", "Wait for the machine")
WAIT_FOR_SSH = Sentence("step.wait_for_ssh", "Wait for SSH")
RECORD_SERVER = Sentence("step.record_server", "Record the server")
