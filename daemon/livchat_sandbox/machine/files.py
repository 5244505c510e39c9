"""The files of a simulated machine."""

from __future__ import annotations

from typing import Any

_RELEASES: dict[str, tuple[str, str, str, str]] = {
    "debian-12": ("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)"),
    "debian-13": ("debian", "13", "trixie", "Debian GNU/Linux 13 (trixie)"),
    "ubuntu-22.04": ("ubuntu", "22.04", "jammy", "Ubuntu 22.04.5 LTS"),
    "ubuntu-24.04": ("ubuntu", "24.04", "noble", "Ubuntu 24.04.3 LTS"),
    "ubuntu-26.04": ("ubuntu", "26.04", "resolute", "Ubuntu 26.04 LTS"),
}


def release(image: str) -> tuple[str, str, str, str]:
    """The distribution, version, code name and title of an image; an app image stands on Ubuntu."""
    return _RELEASES.get(image, _RELEASES["ubuntu-24.04"])


class Files:
    """Files by absolute path, each with its text and its mode (`0644`).

    Bytes that are no UTF-8 are kept as surrogate escapes.
    """

    def __init__(self, held: dict[str, list[str]] | None = None) -> None:
        self._held = held or {}

    @classmethod
    def of(cls, image: str, hostname: str) -> Files:
        """What an image holds that anybody reads."""
        distribution, version, code_name, title = release(image)
        files = cls()
        files.write(
            "/etc/os-release",
            f'PRETTY_NAME="{title}"\nNAME="{title.split()[0]}"\nVERSION_ID="{version}"\n'
            f"VERSION_CODENAME={code_name}\nID={distribution}\n",
        )
        files.write("/proc/1/comm", "systemd\n")
        files.write("/etc/hostname", hostname + "\n")
        files.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n")
        files.write("/etc/fstab", "/dev/sda1 / ext4 discard,errors=remount-ro 0 1\n")
        return files

    def read(self, path: str) -> str | None:
        """The text of a file, or None."""
        held = self._held.get(path)
        return held[0] if held else None

    def mode(self, path: str) -> str | None:
        """The mode of a file, or None."""
        held = self._held.get(path)
        return held[1] if held else None

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Make or replace a file."""
        self._held[path] = [content, mode]

    def append(self, path: str, content: str) -> None:
        """Add to a file, which is made if there is none."""
        self._held.setdefault(path, ["", "0644"])[0] += content

    def remove(self, path: str) -> bool:
        """Remove a file; whether there was one."""
        return self._held.pop(path, None) is not None

    def chmod(self, path: str, mode: str) -> bool:
        """Change the mode of a file; whether there is one."""
        held = self._held.get(path)
        if held is None:
            return False
        held[1] = mode
        return True

    def under(self, folder: str) -> bool:
        """Whether a folder is there: files live in it."""
        prefix = folder.rstrip("/") + "/"
        return any(path.startswith(prefix) for path in self._held)

    def text(self, folder: str) -> str:
        """All that the files of a folder say."""
        prefix = folder.rstrip("/") + "/"
        return "".join(held[0] for path, held in self._held.items() if path.startswith(prefix))

    def dump(self) -> dict[str, Any]:
        """The files as JSON."""
        return {path: list(held) for path, held in self._held.items()}
