"""SSH keys as a person gives them: an identity and a host key, read from files."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from livchat.cli.input.files import read_text
from livchat.errors import InvalidRequest
from livchat.output import show
from livchat.output.messages import translate

DEFAULT = "~/.ssh/id_ed25519"
_MAGIC = b"openssh-key-v1\0"
"""How a private key in OpenSSH's own form begins (its PROTOCOL.key)."""


def identity(path: str | None) -> str | None:
    """The private key of a file; without one, of ~/.ssh/id_ed25519 if it needs no passphrase.

    None where there is no such key. Raises InvalidRequest for a file that holds no private key,
    or one with a passphrase; BadRequest for a file that cannot be read.
    """
    file = Path(path or DEFAULT).expanduser()
    if path is None and not file.is_file():
        return None
    text = read_text(file)
    if "PRIVATE KEY-----" not in text:
        raise InvalidRequest(f"{file} is no private key", hint="ssh-keygen -t ed25519 -f FILE")
    if not has_passphrase(text):
        return text
    if path is None:
        show.note(translate("default_key_locked", path=DEFAULT))
        return None
    raise InvalidRequest(
        f"{file} has a passphrase: the daemon must log in where nobody can type it",
        hint="add --new-key in place of --identity: a key is made for this server alone",
    )


def host_key(given: str) -> str:
    """A fingerprint as it is; else the public key line of a file, without its comment."""
    if given.startswith("SHA256:"):
        return given
    words = read_text(Path(given).expanduser()).split()
    if len(words) < 2:
        raise InvalidRequest(f"{given} is no public key", hint="ssh-keyscan -t ed25519 HOST")
    return " ".join(words[:2])


def has_passphrase(text: str) -> bool:
    """Whether a private key is encrypted: OpenSSH's own form names its cipher, PEM says so."""
    body = "".join(line for line in text.splitlines() if line and not line.startswith("-----"))
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        # PEM with headers, one of which says it.
        return "ENCRYPTED" in text
    if not raw.startswith(_MAGIC):
        return "ENCRYPTED" in text
    size = int.from_bytes(raw[len(_MAGIC) : len(_MAGIC) + 4], "big")
    return raw[len(_MAGIC) + 4 : len(_MAGIC) + 4 + size] != b"none"
