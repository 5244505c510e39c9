"""The vault: what it keeps, what it refuses, what it hides."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livchat.errors import InvalidRequest, LivChatError, NotConfigured
from livchatd.storage.vault import MASK, Vault

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,30}", fullmatch=True)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


Folders = pytest.TempPathFactory
Patch = pytest.MonkeyPatch
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def at(folder: Path) -> Vault:
    return Vault(folder / "vault.json", folder / "vault.key")


@FEW
@given(st.dictionaries(NAMES, st.text(max_size=200), max_size=8))
def test_what_is_put_in_comes_out_of_a_new_vault(
    tmp_path_factory: Folders, values: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("vault")

    async def main() -> None:
        await at(folder).put_many(values)
        again = at(folder)
        assert await again.names() == sorted(values)
        for name, value in values.items():
            assert (await again.require(name)).get_secret_value() == value

    asyncio.run(main())


async def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    vault = at(tmp_path)
    assert await vault.get("none") is None
    assert await vault.names() == []
    assert files(tmp_path) == []


async def test_files_are_for_the_owner_only_and_hold_no_value(tmp_path: Path) -> None:
    await at(tmp_path).put("cloud", "a-very-secret-value")
    for place in files(tmp_path):
        assert place.stat().st_mode & 0o777 == 0o600
        assert b"very-secret" not in place.read_bytes()
    assert len((tmp_path / "vault.key").read_bytes()) == 32


async def test_a_missing_secret_says_how_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured) as caught:
        await at(tmp_path).require("cloud")
    assert caught.value.hint == "livchat secret set cloud"


async def test_a_name_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        await at(tmp_path).put("../\n", "x")


async def test_deleting_forgets_on_disk_too(tmp_path: Path) -> None:
    vault = at(tmp_path)
    await vault.put_many({"app.n8n.key": "1", "app.n8n.hash": "2", "app.n8n-acme.key": "3"})
    await vault.delete_prefix("app.n8n.")
    await vault.delete("never there")
    assert await vault.names() == ["app.n8n-acme.key"]
    assert await at(tmp_path).names() == ["app.n8n-acme.key"]


async def test_all_who_ask_at_once_get_the_same_made_value(tmp_path: Path) -> None:
    vault = at(tmp_path)
    asked = [vault.get_or_make("key", lambda: secrets.token_hex(16)) for _ in range(20)]
    values = {value.get_secret_value() for value in await asyncio.gather(*asked)}
    assert len(values) == 1
    assert (await at(tmp_path).require("key")).get_secret_value() in values


async def test_many_writes_at_once_are_all_kept(tmp_path: Path) -> None:
    vault = at(tmp_path)
    await asyncio.gather(*(vault.put(f"n{number}", str(number)) for number in range(200)))
    assert len(await at(tmp_path).names()) == 200


async def test_a_cancelled_write_leaves_a_vault_that_works(tmp_path: Path) -> None:
    vault = at(tmp_path)
    writing = asyncio.create_task(vault.put("first", "1"))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await vault.put("second", "2")
    assert "second" in await at(tmp_path).names()


async def test_a_wrong_key_opens_nothing_and_overwrites_nothing(tmp_path: Path) -> None:
    await at(tmp_path).put("cloud", "value-of-cloud")
    before = (tmp_path / "vault.json").read_bytes()
    (tmp_path / "vault.key").write_bytes(secrets.token_bytes(32))
    vault = at(tmp_path)
    with pytest.raises(NotConfigured, match="another key") as caught:
        await vault.put("new", "value")
    assert "backup" in str(caught.value.hint)
    assert (tmp_path / "vault.json").read_bytes() == before


async def test_a_lost_key_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    await at(tmp_path).put("cloud", "value-of-cloud")
    (tmp_path / "vault.key").unlink()
    with pytest.raises(NotConfigured, match="lost its key"):
        await at(tmp_path).put("new", "value")
    assert not (tmp_path / "vault.key").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version": 1}', b"\xff\xfe"])
async def test_a_damaged_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    await at(tmp_path).put("cloud", "value-of-cloud")
    (tmp_path / "vault.json").write_bytes(content)
    with pytest.raises(NotConfigured, match="damaged"):
        await at(tmp_path).put("new", "value")
    assert (tmp_path / "vault.json").read_bytes() == content


@FEW
@given(st.data())
def test_any_changed_byte_of_a_sealed_value_is_noticed(
    tmp_path_factory: Folders, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("vault")

    async def main() -> None:
        await at(folder).put("cloud", "value-of-cloud")
        place = folder / "vault.json"
        document = json.loads(place.read_text())
        box = bytearray(base64.b64decode(document["secrets"]["cloud"]))
        box[data.draw(st.integers(0, len(box) - 1))] ^= data.draw(st.integers(1, 255))
        document["secrets"]["cloud"] = base64.b64encode(box).decode()
        place.write_text(json.dumps(document))
        with pytest.raises(NotConfigured, match="damaged at 'cloud'"):
            await at(folder).get("cloud")

    asyncio.run(main())


async def test_values_cannot_change_places(tmp_path: Path) -> None:
    await at(tmp_path).put_many({"mine": "value-one", "yours": "value-two"})
    place = tmp_path / "vault.json"
    document = json.loads(place.read_text())
    held = document["secrets"]
    held["mine"], held["yours"] = held["yours"], held["mine"]
    place.write_text(json.dumps(document))
    with pytest.raises(NotConfigured, match="damaged"):
        await at(tmp_path).get("mine")


async def test_a_crash_between_write_and_rename_leaves_the_old_vault(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    vault = at(tmp_path)
    await vault.put("cloud", "old-value")

    def crash(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(LivChatError, match="cannot write"):
            await vault.put("cloud", "new-value")
    assert (await vault.require("cloud")).get_secret_value() == "old-value"
    (tmp_path / ".vault.json.abcd1234").write_text("half of a")
    again = at(tmp_path)
    assert (await again.require("cloud")).get_secret_value() == "old-value"
    assert [place.name for place in files(tmp_path)] == ["vault.json", "vault.key"]


@pytest.mark.parametrize("form", ["raw", "hex"])
async def test_the_key_may_come_from_systemd(tmp_path: Path, monkeypatch: Patch, form: str) -> None:
    key = secrets.token_bytes(32)
    given_by = tmp_path / "credentials"
    given_by.mkdir()
    (given_by / "livchat-vault-key").write_bytes(key if form == "raw" else key.hex().encode())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", os.fspath(given_by))
    await at(tmp_path).put("cloud", "value-of-cloud")
    assert not (tmp_path / "vault.key").exists()
    assert (await at(tmp_path).require("cloud")).get_secret_value() == "value-of-cloud"


async def test_secrets_are_masked_in_every_form(tmp_path: Path) -> None:
    value = 'p@$s w"ör/d+?&=\\key'
    await at(tmp_path).put("cloud", value)
    vault = at(tmp_path)
    await vault.load()
    forms = [
        value,
        quote(value, safe=""),
        json.dumps(value)[1:-1],
        value.replace("$", "$$"),
        json.dumps(value, ensure_ascii=False)[1:-1],
    ]
    for form in forms:
        assert vault.redact(f"at {form} end") == f"at {MASK} end"


@FEW
@given(
    value=st.text(st.characters(codec="ascii"), min_size=12, max_size=60),
    before=st.binary(max_size=5),
)
def test_base64_of_a_longer_text_shows_no_part_of_a_secret(
    tmp_path_factory: Folders, value: str, before: bytes
) -> None:
    folder = tmp_path_factory.mktemp("vault")

    async def main() -> None:
        vault = at(folder)
        await vault.put("cloud", value)
        shown = vault.redact(base64.b64encode(before + value.encode() + b":tail").decode())
        assert MASK in shown
        rest = shown.replace(MASK, "")
        assert len(rest) <= (len(before) + 5) * 4 // 3 + 12

    asyncio.run(main())


async def test_secrets_that_overlap_or_touch_leave_nothing(tmp_path: Path) -> None:
    vault = at(tmp_path)
    await vault.put_many({"a": "abcdefghij", "b": "ghijklmnop", "c": "ghijklmnopqrstu"})
    assert vault.redact("x abcdefghijklmnopqrstu y") == f"x {MASK} y"
    assert vault.redact("abcdefghijabcdefghij") == MASK * 2
    assert vault.redact("abcdefghi") == "abcdefghi"


async def test_short_values_and_ordinary_text_stay(tmp_path: Path) -> None:
    vault = at(tmp_path)
    await vault.put("port", "5432")
    assert vault.redact("listening on 5432\n") == "listening on 5432\n"
    assert vault.redact("") == ""


async def test_lines_of_a_private_key_and_forgotten_secrets_stay_masked(tmp_path: Path) -> None:
    vault = at(tmp_path)
    await vault.put(
        "ssh", "-----BEGIN KEY-----\nb3BlbnNzaC1rZXktdjE\nsecondline\n-----END KEY-----"
    )
    await vault.delete("ssh")
    assert vault.redact("b3BlbnNzaC1rZXktdjE") == MASK
    assert vault.redact("-----BEGIN KEY-----") == "-----BEGIN KEY-----"
