"""The vault: secrets, encrypted at rest from the first day, and kept out of every log line."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from livchat.errors import InvalidRequest, LivChatError, NotConfigured, StorageFull

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASK = "[secret]"
"""What stands in a text where a secret was."""
MIN_REDACTED_LENGTH = 8
"""Shorter values are not looked for in texts: they would be found everywhere."""

_KEY_BYTES, _NONCE_BYTES = 32, 12
_CREDENTIAL = "livchat-vault-key"
_CHECK = "livchat vault 1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,199}")

Changes = dict[str, str | None]


class Vault:
    """Secrets by their names in one JSON file, each sealed with AES-256-GCM under its name.

    The key lies in a file of its own (0600), made at the first write, or comes from systemd as
    the credential `livchat-vault-key` (32 bytes, or 64 hex digits). When a writing method returns,
    what it wrote is on disk. Writes that come together share one replacement of the file.
    A vault that cannot be opened raises `NotConfigured` and is never written to.
    """

    def __init__(self, path: Path, key_path: Path) -> None:
        self._path = path
        self._key_path = key_path
        self._values: dict[str, str] | None = None
        self._sealed: dict[str, str] = {}
        self._cipher: AESGCM | None = None
        self._loader: asyncio.Task[None] | None = None
        self._queue: list[tuple[Changes, bool, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._redactor = _Redactor()

    async def load(self) -> None:
        """Open the vault, if it is not open yet: before the first line is redacted."""
        if self._values is None:
            if self._loader is None or self._loader.done():
                self._loader = asyncio.create_task(asyncio.to_thread(self._read))
                # Who waits for it has the error; one that was cancelled never asks.
                self._loader.add_done_callback(lambda done: done.cancelled() or done.exception())
            # A caller that is cancelled must not leave a second reading beside the first.
            await asyncio.shield(self._loader)

    async def get(self, name: str) -> SecretStr | None:
        """Return the secret, or None."""
        value = (await self._open()).get(name)
        return None if value is None else SecretStr(value)

    async def require(self, name: str, *, hint: str | None = None) -> SecretStr:
        """Return the secret; `NotConfigured` where there is none."""
        value = await self.get(name)
        if value is None:
            raise NotConfigured(
                f"there is no secret '{name}'", hint=hint or f"livchat secret set {name}"
            )
        return value

    async def put(self, name: str, value: str | SecretStr) -> None:
        """Keep a secret, in the place of one that has its name."""
        await self.put_many({name: value})

    async def put_many(self, values: Mapping[str, str | SecretStr]) -> None:
        """Keep several secrets: all of them or, if it fails, none."""
        await self._change({name: _plain(value) for name, value in values.items()})

    async def delete(self, name: str) -> None:
        """Delete a secret; one that is not there is fine."""
        if name in await self._open():
            await self._change({name: None})

    async def delete_prefix(self, prefix: str) -> None:
        """Delete every secret whose name begins so."""
        found: Changes = {name: None for name in await self._open() if name.startswith(prefix)}
        if found:
            await self._change(found)

    async def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin so, sorted, without values."""
        return sorted(name for name in await self._open() if name.startswith(prefix))

    async def get_or_make(self, name: str, make: Callable[[], str]) -> SecretStr:
        """Return the secret, made by `make` in a thread if there is none, and on disk by then.

        Of several callers at once for one name, all get the same.
        """
        found = await self.get(name)
        if found is not None:
            return found
        await self._change({name: await asyncio.to_thread(make)}, keep=True)
        return await self.require(name)

    def redact(self, text: str) -> str:
        """Return the text with every known secret of at least 8 characters masked.

        A secret is found as it is, URL-quoted, in base64, in JSON and with `$` doubled. It takes
        some 10 µs for a line, however many secrets there are. Nothing is known before `load`.
        """
        return self._redactor.redact(text)

    async def _open(self) -> dict[str, str]:
        await self.load()
        if self._values is None:
            raise LivChatError("the vault has not been opened")
        return self._values

    async def _change(self, changes: Changes, *, keep: bool = False) -> None:
        """Write changes, None being a deletion; with `keep`, what is there already stays."""
        await self._open()
        for name in changes:
            if not _NAME.fullmatch(name):
                raise InvalidRequest.field("key", "must be letters, digits and . _ / @ : - only")
        # Redacted before anyone can print it, written or not.
        self._redactor.add(value for value in changes.values() if value is not None)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((changes, keep, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_queue())
        await asyncio.shield(done)

    async def _write_queue(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            try:
                await asyncio.to_thread(
                    self._write, [(changes, keep) for changes, keep, _ in batch]
                )
            except Exception as error:  # noqa: BLE001 - handed to those who wait
                for *_, done in batch:
                    if not done.done():
                        done.set_exception(error)
                        done.exception()  # whoever waits has it; one that was cancelled never asks
            else:
                for *_, done in batch:
                    if not done.done():
                        done.set_result(None)

    # What follows runs in a thread, one call at a time.

    def _read(self) -> None:
        _clean(self._path)
        _clean(self._key_path)
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            self._values = {}
            return
        except OSError as error:
            raise _locked(self._path, f"cannot be read: {error.strerror}") from None
        sealed, check = _parsed(self._path, raw)
        key = self._key()
        if key is None:
            raise _locked(self._path, f"has lost its key, {self._key_path}")
        cipher = _cipher(key)
        if _unseal(cipher, _CHECK, check) != _CHECK:
            raise _locked(self._path, "was locked with another key, or is damaged")
        values = _opened(cipher, sealed, self._path)
        self._redactor.add(values.values())
        self._cipher, self._sealed, self._values = cipher, sealed, values

    def _write(self, batch: list[tuple[Changes, bool]]) -> None:
        values, sealed = dict(self._values or {}), dict(self._sealed)
        for changes, keep in batch:
            for name, value in changes.items():
                if value is None:
                    values.pop(name, None)
                    sealed.pop(name, None)
                elif values.get(name) != value and not (keep and name in values):
                    values[name] = value
                    sealed[name] = _seal(self._unlocked(), name, value)
        if sealed != self._sealed:
            check = _seal(self._unlocked(), _CHECK, _CHECK)
            document = {"version": 1, "check": check, "secrets": sealed}
            _replace(self._path, json.dumps(document, indent=1).encode())
        self._values, self._sealed = values, sealed

    def _unlocked(self) -> AESGCM:
        if self._cipher is None:
            key = self._key()
            self._cipher = _cipher(_new_key(self._key_path) if key is None else key)
        return self._cipher

    def _key(self) -> bytes | None:
        """Return the key from systemd or from its file; None where there is none."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        credential = Path(folder) / _CREDENTIAL if folder else None
        path = credential if credential and credential.exists() else self._key_path
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _locked(path, f"cannot be read: {error.strerror}") from None
        if re.fullmatch(rb"[0-9a-fA-F]{64}\n?", raw):
            raw = bytes.fromhex(raw.decode())
        if len(raw) != _KEY_BYTES:
            raise _locked(path, f"is not a key of {_KEY_BYTES} bytes")
        return raw


class _Redactor:
    """The forms in which secrets may show up, by their first characters.

    One regular expression of them all would be tried at every character of every line.
    """

    def __init__(self) -> None:
        self._forms: dict[str, tuple[str, ...]] = {}
        self._known: set[str] = set()

    def add(self, values: Iterable[str]) -> None:
        """Redact these values from now on, for ever: a deleted secret may still be printed."""
        for value in values:
            if value in self._known:
                continue
            self._known.add(value)
            for form in _forms(value):
                head = form[:MIN_REDACTED_LENGTH]
                self._forms[head] = tuple({*self._forms.get(head, ()), form})

    def redact(self, text: str) -> str:
        """Return the text without them; secrets that overlap become one mask."""
        forms = self._forms
        starts = [
            at
            for at in range(len(text) - MIN_REDACTED_LENGTH + 1)
            if text[at : at + MIN_REDACTED_LENGTH] in forms
        ]
        if not starts:
            return text
        parts: list[str] = []
        begin = end = 0
        for at in starts:
            length = max(
                (
                    len(form)
                    for form in forms[text[at : at + MIN_REDACTED_LENGTH]]
                    if text.startswith(form, at)
                ),
                default=0,
            )
            if length and at >= end:
                parts += [text[begin:at], MASK]
            if length:
                end = begin = max(end, at + length)
        return "".join([*parts, text[begin:]])


def _forms(value: str) -> set[str]:
    """Return the forms of a secret that are long enough to be looked for."""
    forms = {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        value.replace("$", "$$"),
    }
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    # A log has one line at a time of a private key.
    forms |= {line for line in value.splitlines() if not line.startswith("-----")}
    for shift in range(3):
        # In base64 of a longer text, only what is made of the secret alone is known.
        raw = b"\0" * shift + value.encode()
        whole = base64.b64encode(raw).decode().rstrip("=")
        inner = whole[(0, 2, 3)[shift] : len(raw) * 8 // 6]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= MIN_REDACTED_LENGTH}


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _parsed(path: Path, raw: bytes) -> tuple[dict[str, str], str]:
    try:
        document: Any = json.loads(raw)
        version, sealed, check = document["version"], document["secrets"], document["check"]
    except (ValueError, KeyError, TypeError):
        raise _locked(path, "is damaged") from None
    if version != 1:
        raise _locked(path, f"was written by a newer LivChat (version {version})")
    texts = isinstance(sealed, dict) and all(isinstance(box, str) for box in sealed.values())
    if not texts or not isinstance(check, str):
        raise _locked(path, "is damaged")
    return sealed, check


def _locked(path: Path, what: str) -> NotConfigured:
    return NotConfigured(
        f"{path} {what}; nothing was changed",
        hint=f"put the right file back from your backup, or begin anew: mv {path} {path}.old",
    )


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 60 ms

    return AESGCM(key)


def _seal(cipher: AESGCM, name: str, value: str) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + cipher.encrypt(nonce, value.encode(), name.encode())).decode()


def _unseal(cipher: AESGCM, name: str, box: str) -> str | None:
    """Return the value, or None where key, name or content are not those that were sealed."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    try:
        raw = base64.b64decode(box, validate=True)
        plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode())
        return plain.decode()
    except (InvalidTag, ValueError):
        return None


def _opened(cipher: AESGCM, sealed: Mapping[str, str], path: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, box in sealed.items():
        value = _unseal(cipher, name, box)
        if value is None:
            raise _locked(path, f"is damaged at '{name}'")
        values[name] = value
    return values


def _clean(path: Path) -> None:
    """Remove what a write left that was cut off by a crash."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def _new_key(path: Path) -> bytes:
    """Make the key and its file, which is whole and durable before it has its name."""
    key = secrets.token_bytes(_KEY_BYTES)
    _replace(path, key, exclusive=True)
    return key


def _replace(path: Path, content: bytes, *, exclusive: bool = False) -> None:
    """Write a file (0600), durably, in the place of another; with `exclusive`, of none."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if exclusive:
                os.link(fresh, path)
            else:
                fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else LivChatError
        raise kind(f"cannot write {path}: {error.strerror}", hint="df -h") from None
