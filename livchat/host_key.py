"""How to ask for a pinned host key, so that a changed key is no broken connection."""

from __future__ import annotations

from livchat.asyncssh_guard import asyncssh


def host_key_algorithms(pinned: asyncssh.SSHKey) -> list[str]:
    """The pinned key's algorithms first, then all others.

    Asking for the pinned kind alone, a server that has only another kind hangs up, which looks like
    a lost connection; offered all, it shows its key, and that the key is another one is certain.
    """
    own = [name.decode() for name in pinned.sig_algorithms]
    others = [name.decode() for name in asyncssh.public_key.get_default_public_key_algs()]
    return own + [name for name in others if name not in own]
