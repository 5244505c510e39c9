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


def image_release(image: str) -> tuple[str, str, str, str]:
    """Return distribution, version, code name and title of an image; app images are Ubuntu's."""
    return _RELEASES.get(image, _RELEASES["ubuntu-24.04"])


class Files:
    """Files by absolute path, each with its text and its mode (`0644`).

    Bytes that are no UTF-8 are kept as surrogate escapes. A folder exists while a file is in it.
    """

    def __init__(self, files: dict[str, list[str]] | None = None) -> None:
        self._files = files or {}

    @classmethod
    def from_image(cls, image: str, hostname: str) -> Files:
        """Return the files of an image that commands read."""
        distribution, version, code_name, title = image_release(image)
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
        """Return the text of a file, or None if there is none."""
        file = self._files.get(path)
        return file[0] if file else None

    def mode(self, path: str) -> str | None:
        """Return the mode of a file, or None if there is none."""
        file = self._files.get(path)
        return file[1] if file else None

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Make or replace a file."""
        self._files[path] = [content, mode]

    def append(self, path: str, content: str) -> None:
        """Append to a file, which is made if there is none."""
        self._files.setdefault(path, ["", "0644"])[0] += content

    def remove(self, path: str) -> bool:
        """Remove a file; return whether there was one."""
        return self._files.pop(path, None) is not None

    def chmod(self, path: str, mode: str) -> bool:
        """Change the mode of a file; return whether there is one."""
        file = self._files.get(path)
        if file is None:
            return False
        file[1] = mode
        return True

    def has_folder(self, folder: str) -> bool:
        """Whether a folder exists."""
        prefix = folder.rstrip("/") + "/"
        return any(path.startswith(prefix) for path in self._files)

    def concatenated(self, folder: str) -> str:
        """Return the text of all files of a folder, one after the other."""
        prefix = folder.rstrip("/") + "/"
        return "".join(file[0] for path, file in self._files.items() if path.startswith(prefix))

    def dump(self) -> dict[str, Any]:
        """Return the files as JSON data: text and mode by path."""
        return {path: list(file) for path, file in self._files.items()}
