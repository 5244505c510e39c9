"""Where this machine's own apt, pip and npm get packages from: what a made machine asks too.

`python3 -m tests.e2e.package_sources debian` prints the mirror of Debian, `pip` a pip.conf, `proxy`
the environment of a proxy of apt's. It needs nothing but the standard library.
"""

from __future__ import annotations

import ast
import platform
import shlex
import shutil
import subprocess
import sys

TARGETS = ("indextargets", "--format", "$(REPO_URI) $(CODENAME) $(RELEASE) $(COMPONENT)")
"""One line for each list of packages that `apt-get update` would fetch."""
PIP_OPTIONS = {
    "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url",
    "no-index", "proxy", "retries", "timeout", "trusted-host",
}  # fmt: skip


class NoSource(Exception):
    """It is not known where packages of a kind come from."""


def debian_mirror() -> str:
    """Return the address of the archive that this machine's own release comes from.

    Raises `NoSource` on a machine that is not Debian or whose apt knows no archive.
    """
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or shutil.which("apt-get") is None:
        raise NoSource("this machine is not a Debian: no mirror of it is known")
    for line in _printed("apt-get", *TARGETS, "Created-By: Packages").splitlines():
        address, *suites, component = line.split()
        if component == "main" and release["VERSION_CODENAME"] in suites:
            return address.rstrip("/")
    raise NoSource(f"apt has no source of Debian {release['VERSION_CODENAME']}")


def apt_proxy() -> dict[str, str]:
    """Return the environment that makes other programs use apt's proxy: empty if it has none."""
    told = _printed("apt-config", "shell", "http_proxy", "Acquire::http::Proxy")
    found = dict(word.split("=", 1) for word in shlex.split(told))
    return {name: proxy for name, proxy in found.items() if proxy not in {"", "DIRECT"}}


def pip_configuration() -> str:
    """Return this machine's settings of pip as the text of a pip.conf."""
    found: dict[str, str] = {}
    for line in _printed(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in PIP_OPTIONS:
            found[option] = ast.literal_eval(value).replace("\n", "\n    ")
    return "[global]\n" + "".join(f"{option} = {value}\n" for option, value in found.items())


def npm_registry() -> str:
    """Return the address of the registry that npm asks. Raises `NoSource` where npm is not."""
    if shutil.which("npm") is None:
        raise NoSource("npm is not installed, which knows its registry")
    return _printed("npm", "config", "get", "registry").strip().rstrip("/")


def _printed(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


if __name__ == "__main__":
    if sys.argv[1] == "proxy":
        print(*(f"{name}={value}" for name, value in apt_proxy().items()))  # noqa: T201
    else:
        print({"debian": debian_mirror, "pip": pip_configuration}[sys.argv[1]]())  # noqa: T201
