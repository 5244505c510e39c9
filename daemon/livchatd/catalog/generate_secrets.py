"""The secrets of an app: generated once as its definition says, and kept from then on."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Callable, Mapping

from livchat.errors import InvalidRequest
from livchatd.catalog.schema import DERIVED, Generator, Secret

ALNUM = string.ascii_letters + string.digits
"""Letters and digits only: images of other people put passwords into URLs, YAML and shells."""


def generate(spec: Mapping[str, Secret], existing: Mapping[str, str]) -> dict[str, str]:
    """Return all secrets of an app by name: the existing ones, and new ones for those missing.

    A hash that exists is kept, since its salt would change. Each bcrypt or argon2id takes about
    0.3 s of CPU: call it in a thread.
    """
    values = {name: existing[name] for name in spec if name in existing}
    for name, secret in spec.items():
        if name not in values and secret.generate not in DERIVED:
            values[name] = _PLAIN[secret.generate](secret)
    for name, secret in spec.items():
        if name not in values:
            values[name] = _derived(name, secret, values)
    return {name: values[name] for name in spec}


def password(length: int = 32, *, symbol: bool = False) -> str:
    """Return a password with at least one lower-case letter, one upper-case letter and one digit.

    With `symbol`, its middle character is `-`, for apps that demand a symbol.
    """
    while True:
        made = "".join(secrets.choice(ALNUM) for _ in range(length))
        if symbol:
            made = f"{made[: length // 2]}-{made[length // 2 + 1 :]}"
        if (
            any(map(str.islower, made))
            and any(map(str.isupper, made))
            and any(map(str.isdigit, made))
        ):
            return made


def _derived(name: str, secret: Secret, values: Mapping[str, str]) -> str:
    plain = values.get(secret.of or "")
    if plain is None:
        raise InvalidRequest(
            f"secrets.{name}: is a hash of '{secret.of}', which is no plain secret"
        )
    if secret.generate is Generator.ARGON2ID:
        return _argon2id(plain)
    hashed = _bcrypt(plain)
    return f"{secret.user}:{hashed}" if secret.generate is Generator.HTPASSWD else hashed


def _bcrypt(plain: str) -> str:
    import bcrypt  # noqa: PLC0415 - few apps need it

    return bcrypt.hashpw(plain.encode(), bcrypt.gensalt(10)).decode()


def _argon2id(plain: str) -> str:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 - as above

    made = Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=3, lanes=4, memory_cost=65_536
    )
    return made.derive_phc_encoded(plain.encode())


def _alnum(secret: Secret) -> str:
    return "".join(secrets.choice(ALNUM) for _ in range(secret.length))


_PLAIN: dict[Generator, Callable[[Secret], str]] = {
    Generator.HEX: lambda secret: secrets.token_hex(secret.bytes),
    Generator.ALNUM: _alnum,
    Generator.BASE64: lambda secret: base64.b64encode(secrets.token_bytes(secret.bytes)).decode(),
    Generator.BASE64URL: lambda secret: secrets.token_urlsafe(secret.bytes),
    Generator.UUID: lambda _: str(uuid.uuid4()),
    Generator.PASSWORD: lambda secret: password(secret.length, symbol=secret.symbol),
}
