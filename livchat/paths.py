"""Paths of configuration, state and socket: under LIVCHAT_HOME, else by platformdirs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from livchat.errors import LivChatError

SOCKET_LIMIT = 107
"""Bytes that the path of a Unix socket may have: sun_path less its closing zero (unix(7))."""


@dataclass(frozen=True)
class Paths:
    """The path of every file of this installation, under three folders."""

    config: Path
    state: Path
    runtime: Path

    @property
    def socket(self) -> Path:
        """The Unix socket of the daemon."""
        return self.runtime / "livchatd.sock"

    @property
    def lock(self) -> Path:
        """The file that a living daemon of this installation holds locked."""
        return self.state / "livchatd.lock"

    @property
    def table(self) -> Path:
        """The SQLite file with jobs, events and inventory."""
        return self.state / "livchat.db"

    @property
    def vault(self) -> Path:
        """The file of encrypted secrets."""
        return self.config / "vault.json"

    @property
    def vault_key(self) -> Path:
        """The key of the vault, 0600."""
        return self.config / "vault.key"

    @property
    def token(self) -> Path:
        """The bearer token for TCP, 0600."""
        return self.config / "token"

    @property
    def installation(self) -> Path:
        """The file with the id of this installation, which marks all that it makes."""
        return self.config / "home"

    @property
    def settings(self) -> Path:
        """The file of settings that are no secret, such as the default provider."""
        return self.config / "settings.json"

    @property
    def catalog(self) -> Path:
        """The folder of the user's own app definitions, which have a folder each."""
        return self.config / "catalog"

    @property
    def log(self) -> Path:
        """The file for what a daemon prints that was started by a command."""
        return self.state / "livchatd.log"

    @property
    def sandbox(self) -> Path:
        """The folder of the sandbox: its address, its state, its log."""
        return self.state / "sandbox"

    def create(self) -> None:
        """Make the folders with mode 0700.

        Raises LivChatError where the runtime folder belongs to another user.
        """
        for folder in (self.config, self.state, self.runtime):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.runtime.stat()
        if owner.st_uid != os.getuid():
            raise LivChatError(
                f"cannot use {self.runtime}: it belongs to another user",
                hint="set LIVCHAT_HOME to a folder of your own",
            )
        if stat.S_IMODE(owner.st_mode) & 0o077:
            self.runtime.chmod(0o700)


def paths() -> Paths:
    """The paths of this user's installation; `LIVCHAT_HOME` puts them all under one folder."""
    home = os.environ.get("LIVCHAT_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(root / "config", root / "state", _fitting(root / "run"))
    import platformdirs  # noqa: PLC0415 - 20 ms that LIVCHAT_HOME does not need

    state = Path(platformdirs.user_state_dir("livchat", appauthor=False))
    return Paths(
        Path(platformdirs.user_config_dir("livchat", appauthor=False)), state, _runtime(state)
    )


def _runtime(state: Path) -> Path:
    """A folder in XDG_RUNTIME_DIR, else in /run/user/UID if that is ours, else in the state."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        return _fitting(Path(given) / "livchat")
    session = Path(f"/run/user/{os.getuid()}")
    if session.is_dir() and session.stat().st_uid == os.getuid():
        return _fitting(session / "livchat")
    return _fitting(state / "run")


def _fitting(runtime: Path) -> Path:
    """The folder, or one in /tmp named by its hash where the socket's path would be too long."""
    if len(os.fsencode(runtime / "livchatd.sock")) <= SOCKET_LIMIT:
        return runtime
    name = sha256(os.fsencode(runtime)).hexdigest()[:12]
    return Path("/tmp") / f"livchat-{os.getuid()}-{name}"  # noqa: S108 - create() checks its owner
