"""Secrets: their size, their alphabet, and that they are made once."""

from __future__ import annotations

import base64
import string
import uuid

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livchat.errors import InvalidRequest
from livchatd.catalog.generate_secrets import ALNUM, generate, password
from livchatd.catalog.schema import Generator, Secret

SIZES = st.integers(16, 128)
PLAIN = Secret(generate=Generator.ALNUM)


def one(secret: Secret) -> str:
    return generate({"it": secret}, {})["it"]


@given(SIZES)
def test_hex_has_two_digits_for_each_byte(size: int) -> None:
    made = one(Secret(generate=Generator.HEX, bytes=size))
    assert len(made) == 2 * size
    assert set(made) <= set("0123456789abcdef")


@given(SIZES)
def test_alnum_has_letters_and_digits_only(size: int) -> None:
    made = one(Secret(generate=Generator.ALNUM, length=size))
    assert len(made) == size
    assert set(made) <= set(ALNUM)


@given(SIZES)
def test_base64_holds_as_many_bytes_as_asked(size: int) -> None:
    plain = one(Secret(generate=Generator.BASE64, bytes=size))
    assert len(base64.b64decode(plain, validate=True)) == size
    safe = one(Secret(generate=Generator.BASE64URL, bytes=size))
    assert set(safe) <= set(string.ascii_letters + string.digits + "-_")
    assert len(base64.urlsafe_b64decode(safe + "=" * (-len(safe) % 4))) == size


@given(SIZES, st.sampled_from([True, False]))
def test_a_password_has_every_kind_of_sign_that_it_promises(size: int, symbol: object) -> None:
    made = password(size, symbol=bool(symbol))
    assert len(made) == size
    assert made.count("-") == int(bool(symbol))
    assert set(made) - {"-"} <= set(ALNUM)
    assert any(map(str.islower, made))
    assert any(map(str.isupper, made))
    assert any(map(str.isdigit, made))


def test_a_uuid_is_one() -> None:
    assert uuid.UUID(one(Secret(generate=Generator.UUID))).version == 4


def test_hashes_fit_the_secret_that_they_are_of() -> None:
    spec = {
        "hash": Secret(generate=Generator.BCRYPT, of="plain"),
        "users": Secret(generate=Generator.HTPASSWD, of="plain", user="livchat"),
        "argon": Secret(generate=Generator.ARGON2ID, of="plain"),
        "plain": PLAIN,
    }
    made = generate(spec, {})
    assert bcrypt.checkpw(made["plain"].encode(), made["hash"].encode())
    user, _, hashed = made["users"].partition(":")
    assert user == "livchat"
    assert bcrypt.checkpw(made["plain"].encode(), hashed.encode())
    assert made["argon"].startswith("$argon2id$v=19$")


def test_a_hash_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        generate({"hash": Secret(generate=Generator.BCRYPT, of="gone")}, {})


@settings(deadline=None)
@given(st.sets(st.sampled_from(["a", "b", "c", "d"])))
def test_what_exists_is_never_made_again(there: set[str]) -> None:
    spec = dict.fromkeys("abcd", PLAIN)
    existing = {name: f"kept-{name}" for name in there} | {"other": "not asked for"}
    made = generate(spec, existing)
    assert set(made) == set(spec)
    assert all(made[name] == existing[name] for name in there)
    assert generate(spec, made) == made
