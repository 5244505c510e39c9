"""Key pairs of SSH: made, shown as a public line, and known by a fingerprint."""

from __future__ import annotations

import base64
import hashlib


def public_line(private: str) -> str:
    """The OpenSSH public key line of a private key in OpenSSH's format."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - heavy

    key = form.load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()


def fingerprint(public: str) -> str:
    """A public key's fingerprint as `ssh-keygen -l` prints it, beginning with SHA256."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def new_key() -> str:
    """A new ed25519 private key in OpenSSH's format."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - heavy
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
        .decode()
    )
