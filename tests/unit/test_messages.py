"""Sentences in the reader's language: ids with values, whole catalogs, English as a last way."""

from __future__ import annotations

import gettext
import string

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from livchat import messages
from livchat.messages import LOCALE, PORTUGUESE, Message, Sentence, Translator, in_words, references
from livchat.output.messages import ENGLISH

FOLDER = LOCALE / PORTUGUESE / "LC_MESSAGES"
SENTENCES = {one.id: one.english for one in vars(messages).values() if isinstance(one, Sentence)}
TEXTS = {**SENTENCES, **{f"cli.{key}": text for key, text in ENGLISH.items()}}
DAEMON_MISSING = messages.SERVER_MISSING


@pytest.fixture
def catalog() -> Catalog:
    with (FOLDER / "livchat.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


@pytest.fixture
def in_portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")


@pytest.fixture
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def test_every_sentence_stands_in_the_catalog_beside_its_english_text(catalog):
    said = {str(one.id): one for one in catalog if one.id}
    assert said.keys() == TEXTS.keys()
    for id_, one in said.items():
        english = TEXTS[id_].replace("\n", " / ")
        assert " ".join(one.auto_comments).split() == english.split(), id_
        assert one.string, id_


def test_a_translation_has_the_values_of_its_english_text(catalog):
    def values(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for one in catalog:
        if one.id:
            assert values(str(one.string)) == values(TEXTS[str(one.id)]), one.id


def test_the_compiled_catalog_is_that_of_the_sentences(catalog):
    with (FOLDER / "livchat.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    said = {str(one.id): compiled.gettext(str(one.id)) for one in catalog if one.id}
    wanted = {str(one.id): str(one.string) for one in catalog if one.id}
    assert said == wanted, "run: python tests/unit/test_messages.py"


def test_a_message_is_its_english_text_and_knows_its_id_and_values():
    message = DAEMON_MISSING(name="prod-01")
    assert message == "there is no server 'prod-01'"
    assert (message.id, dict(message.values)) == ("server.missing", {"name": "prod-01"})
    assert not isinstance(message + "!", Message)


def test_only_texts_that_are_messages_have_references():
    assert references({"error": "plain", "hint": None}) is None
    found = references({"error": DAEMON_MISSING(name="a\x1b[31m"), "hint": "plain"}, str.upper)
    assert found == {"error": {"id": "server.missing", "values": {"name": "A\x1b[31M"}}}


def test_a_sentence_is_said_in_the_readers_language_with_what_it_holds(in_portuguese):
    inner = DAEMON_MISSING(name="a")
    message = messages.STEP_FAILED(step=messages.WAIT_FOR_SSH(), error=inner)
    found = {"error": str(message), "messages": references({"error": message})}
    assert in_words(found, "error") == "Esperar pelo SSH: não existe o servidor 'a'"


@pytest.mark.parametrize(
    "reference",
    [
        {"id": "nobody.knows", "values": {}},
        {"id": "server.missing", "values": {}},
        {"id": "server.missing"},
        {"id": "", "values": {"name": "a"}},
    ],
)
def test_what_this_version_does_not_know_is_said_in_english(in_portuguese, reference):
    found = {"error": "there is something", "messages": {"error": reference}}
    assert in_words(found, "error") == "there is something"


def test_who_reads_english_gets_the_text_as_it_came(in_english):
    found = {"error": "as it came", "messages": references({"error": DAEMON_MISSING(name="a")})}
    assert in_words(found, "error") == "as it came"
    assert in_words({}, "error") == ""


def test_a_program_has_its_own_sentences(in_portuguese):
    translate = Translator("cli", {"hint": "hint", "new": "not translated {n}"})
    assert (translate("hint"), translate("new", n=1)) == ("dica", "not translated 1")


if __name__ == "__main__":
    with (FOLDER / "livchat.po").open("rb") as source, (FOLDER / "livchat.mo").open("wb") as made:
        write_mo(made, read_po(source, abort_invalid=True))
