"""The images of the tests, from Debian's packages alone: a machine, and a registry that has all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - containers are waited for, in bounded loops

HERE = Path(__file__).parent / "images"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "systemd,systemd-sysv,systemd-resolved,dbus,openssh-server,sudo,"
    "iproute2,iptables,procps,ca-certificates,kmod"
)
IN_REGISTRY = {
    "postgres": "pgvector/pgvector:0.8.6-pg17-bookworm",
    "redis": "library/redis:8.2.9-bookworm",
    "web": "umami-software/umami:3.4.0",
    "proxy": "library/traefik:v3.7.11",
    "socket-proxy": "tecnativa/docker-socket-proxy:v0.4.2",
    "portainer": "portainer/portainer-ce:2.45.1",
}
"""What stands in for which image of the catalog, under the catalog's name."""
BUILDS = 900.0


def docker(*words: str, stdin: bytes = b"", timeout: float = 120) -> str:
    """Run docker here; what it prints."""
    done = subprocess.run(
        ["docker", *words],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    if done.returncode:
        raise AssertionError(f"docker {' '.join(words)}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode().strip()


class Images:
    """Built once for each state of their folder; kept by the engine and as a file of the cache."""

    def __init__(self, release: str = "trixie") -> None:
        parts = sorted(path for path in HERE.rglob("*") if path.is_file())
        digest = hashlib.sha256(f"{release} {PACKAGES} {IN_REGISTRY}".encode())
        for path in parts:
            digest.update(path.name.encode() + path.read_bytes())
        self.release = release
        self.mark = digest.hexdigest()[:12]
        self.machine = f"livchat-e2e:{release}-{self.mark}"
        self.registry = f"livchat-e2e-registry:{release}-{self.mark}"
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        self._cache = home / "livchat-e2e"

    def provide(self) -> Images:
        """See that they are there: in the engine, else from the cache, else built."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = self._cache / f"{self.release}-{self.mark}.tar"
            if not self._there() and kept.exists():
                docker("load", "-i", str(kept), timeout=BUILDS)
            if not self._there():
                self._build()
            if not kept.exists():
                fresh = kept.with_suffix(".new")
                docker("save", "-o", str(fresh), self.machine, self.registry, timeout=BUILDS)
                for old in self._cache.glob(f"{self.release}-*.tar"):
                    old.unlink()
                fresh.replace(kept)
        return self

    def _there(self) -> bool:
        return all(docker("image", "ls", "-q", name) for name in (self.machine, self.registry))

    def _build(self) -> None:
        base = f"livchat-e2e-base:{self.release}"
        if not docker("image", "ls", "-q", base):
            self._bootstrap(base)
        self._make("machine", base, self.machine)
        empty = f"livchat-e2e-empty:{self.release}-{self.mark}"
        self._make("things", base, empty, "--target", "registry")
        with ThreadPoolExecutor(2) as pool:
            made = pool.map(
                lambda part: self._make("things", base, self._thing(part), "--target", part),
                # The stand-ins share the layer with Python: the first makes it.
                ("postgres", "portainer"),
            )
            list(made)
        for part in IN_REGISTRY:
            self._make("things", base, self._thing(part), "--target", part)
        with registry(empty) as held:
            port = docker("port", held, "80/tcp").splitlines()[0].rpartition(":")[2]
            for part, name in IN_REGISTRY.items():
                there = f"127.0.0.1:{port}/{name}"
                docker("tag", self._thing(part), there)
                docker("push", "-q", there, timeout=BUILDS)
                docker("rmi", there)
            docker("commit", held, self.registry, timeout=BUILDS)

    def _thing(self, part: str) -> str:
        return f"livchat-e2e-{part}:{self.release}-{self.mark}"

    @staticmethod
    def _make(folder: str, base: str, name: str, *words: str) -> None:
        given = ("--build-arg", f"BASE={base}", "-t", name, *words, str(HERE / folder))
        docker("build", "-q", *given, timeout=BUILDS)

    def _bootstrap(self, name: str) -> None:
        with tempfile.TemporaryDirectory(prefix="livchat-e2e-") as folder:
            root = Path(folder) / "root"
            subprocess.run(
                [
                    *("debootstrap", "--variant=minbase", f"--include={PACKAGES}"),
                    *(self.release, str(root), MIRROR),
                ],
                check=True,
                capture_output=True,
                timeout=BUILDS,
            )
            for deb in (root / "var/cache/apt/archives").glob("*.deb"):
                deb.unlink()
            packed = Path(folder) / "root.tar"
            subprocess.run(["tar", "-C", root, "-cf", packed, "."], check=True, timeout=BUILDS)
            docker("import", str(packed), name, timeout=BUILDS)


@contextmanager
def registry(image: str) -> Iterator[str]:
    """A registry for as long as it is needed: the id of its container."""
    held = docker("run", "-d", "-p", "127.0.0.1::80", "--label", "livchat-e2e", image)
    try:
        deadline = monotonic() + 30
        while "LISTEN" not in docker("exec", held, "ss", "-Hltn") and monotonic() < deadline:
            sleep(0.1)
        yield held
    finally:
        docker("rm", "-f", "-v", held)


def address(container: str) -> str:
    """Where a container answers."""
    return docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container)
