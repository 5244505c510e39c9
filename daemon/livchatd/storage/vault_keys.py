"""Where the vault keeps the secrets of servers and zones: the names of its entries."""

from __future__ import annotations


def client_key(server: str) -> str:
    """Where the vault keeps the private key that we log in with."""
    return f"ssh/{server}/private"


def host_key(server: str) -> str:
    """Where the vault keeps the private host key that the machine is born with."""
    return f"ssh/{server}/host"


def certificate_token(zone: str) -> str:
    """Where the vault keeps the token by which the servers of a zone prove that it is ours."""
    return f"certificates/{zone}"
