"""Where things lie: configuration, state and socket, under LIVCHAT_HOME or by platformdirs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from livchat.errors import LivChatError

SOCKET_LIMIT = 107
"""Bytes that a Unix socket's path may have: sun_path less its closing zero (unix(7))."""


@dataclass(frozen=True)
class Places:
    """Every file of this installation. `create()` makes the folders, 0700."""

    config: Path
    state: Path
    runtime: Path

    @property
    def socket(self) -> Path:
        """The Unix socket of the daemon."""
        return self.runtime / "livchatd.sock"

    @property
    def lock(self) -> Path:
        """The file whose lock says that a daemon of this installation is alive."""
        return self.state / "livchatd.lock"

    @property
    def table(self) -> Path:
        """Jobs, events and inventory: one SQLite file."""
        return self.state / "livchat.db"

    @property
    def vault(self) -> Path:
        """Secrets, encrypted."""
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
    def home(self) -> Path:
        """The id of this installation, by which it knows what it made."""
        return self.config / "home"

    @property
    def settings(self) -> Path:
        """What is not secret: the default provider, the zone's account e-mail."""
        return self.config / "settings.json"

    @property
    def catalog(self) -> Path:
        """The user's own app definitions, a folder each."""
        return self.config / "catalog"

    @property
    def log(self) -> Path:
        """What the daemon prints when it was started by a command."""
        return self.state / "livchatd.log"

    @property
    def sandbox(self) -> Path:
        """The folder of the sandbox: its address, its world, its log."""
        return self.state / "sandbox"

    def create(self) -> None:
        """Make the folders, 0700; refuse a runtime folder that belongs to somebody else."""
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


def places() -> Places:
    """The places of this user; `LIVCHAT_HOME` puts them all under one folder."""
    home = os.environ.get("LIVCHAT_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Places(root / "config", root / "state", _short(root / "run"))
    import platformdirs  # noqa: PLC0415 - 20 ms that LIVCHAT_HOME does not need

    state = Path(platformdirs.user_state_dir("livchat", appauthor=False))
    return Places(
        Path(platformdirs.user_config_dir("livchat", appauthor=False)), state, _runtime(state)
    )


def _runtime(state: Path) -> Path:
    """XDG_RUNTIME_DIR, else /run/user/UID if it is ours, else a folder in our state."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        return _short(Path(given) / "livchat")
    session = Path(f"/run/user/{os.getuid()}")
    if session.is_dir() and session.stat().st_uid == os.getuid():
        return _short(session / "livchat")
    return _short(state / "run")


def _short(runtime: Path) -> Path:
    """The folder itself, or one in /tmp named after it where a socket's path would be too long."""
    if len(os.fsencode(runtime / "livchatd.sock")) <= SOCKET_LIMIT:
        return runtime
    name = sha256(os.fsencode(runtime)).hexdigest()[:12]
    return Path("/tmp") / f"livchat-{os.getuid()}-{name}"  # noqa: S108 - create() checks its owner
