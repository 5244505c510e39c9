"""Who may log in to a simulated machine: root, and the users that its cloud-config makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from livchat_sandbox.commands.result import CommandResult, failure

_SUDO = "sudo -n -- "


@dataclass(frozen=True)
class Account:
    """A user with the public keys that open it; `sudo` says that sudo asks for no password."""

    name: str
    keys: tuple[str, ...]
    sudo: bool = False

    def root_command(self, line: str) -> str | CommandResult:
        """Return the command line that root runs for this user, or the refusal."""
        if self.name == "root":
            return line
        if not line.startswith(_SUDO):
            return failure(f"sandbox: not simulated: {self.name} without sudo: {line}", 127)
        if not self.sudo:
            return failure("sudo: a password is required")
        return line.removeprefix(_SUDO)


def parse_accounts(user_data: str, root_keys: list[str]) -> dict[str, Account]:
    """Return the accounts of a machine by name; root's keys are those of the provider."""
    accounts = {"root": Account("root", tuple(root_keys))}
    for user in _users(user_data):
        name, rule = str(user["name"]), str(user.get("sudo") or "")
        keys = tuple(str(key) for key in user.get("ssh_authorized_keys") or ())
        accounts[name] = Account(name, keys, sudo="NOPASSWD" in rule)
    return accounts


def _users(user_data: str) -> list[dict[str, Any]]:
    if not user_data.startswith("#cloud-config"):
        return []
    document = yaml.safe_load(user_data)
    users = document.get("users") if isinstance(document, dict) else None
    return [user for user in users or () if isinstance(user, dict) and user.get("name")]
