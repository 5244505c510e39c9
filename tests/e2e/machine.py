"""A machine with a real Debian in it, as a provider hands it out: systemd, OpenSSH, a root key."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep  # noqa: TID251 - containers are waited for, in bounded loops

from tests.e2e.images import Images, address, docker

CAPABILITIES = (
    "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYSLOG", "SYS_NICE", "LINUX_IMMUTABLE", "IPC_LOCK",
    "MAC_ADMIN", "SYS_MODULE", "SYS_BOOT",
)  # fmt: skip
BOOTED = ("running", "degraded")
SSH_ONLY = ("-p", "tcp", "--dport", "22")


@dataclass(frozen=True)
class Machine:
    """A running machine.

    `key` is the private key that root may log in with; `front` a port of ours that comes out at its
    port 443.
    """

    container: str
    ip: str
    key: str
    front: int

    def run(self, *words: str, check: bool = True, stdin: str = "") -> str:
        """Run a program on it, past SSH; what it prints."""
        done = subprocess.run(
            ["docker", "exec", "-i", self.container, *words],
            input=stdin.encode(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.stderr.decode()[-1000:]}")
        return done.stdout.decode().strip()

    def write(self, path: str, text: str, mode: str = "0600") -> None:
        """Put a file on it."""
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, stdin=text)

    def processes(self) -> list[str]:
        """The names of the programs that run."""
        return self.run("ps", "-eo", "comm=").split()

    def until(self, words: tuple[str, ...], wanted: str, within: float = 60) -> None:
        """Wait until a program prints something."""
        deadline = monotonic() + within
        while monotonic() < deadline:
            if wanted in self.run(*words, check=False):
                return
            sleep(0.1)
        raise AssertionError(f"{words} did not print {wanted!r} within {within:g} s")

    @contextmanager
    def unreachable(self, *how: str) -> Iterator[None]:
        """Its SSH cut off: in silence, or as `how` says (`-j REJECT ...`)."""
        rule = (*SSH_ONLY, *(how or ("-j", "DROP")))
        self.run("iptables", "-I", "INPUT", *rule)
        try:
            yield
        finally:
            self.run("iptables", "-D", "INPUT", *rule)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Its cable pulled: nothing comes in or goes out, and no connection is told."""
        index = self.run("cat", "/sys/class/net/eth0/iflink")
        ours = next(
            one.parent.name
            for one in Path("/sys/class/net").glob("*/ifindex")
            if one.read_text().strip() == index
        )
        subprocess.run(["ip", "link", "set", ours, "down"], check=True)
        try:
            yield
        finally:
            subprocess.run(["ip", "link", "set", ours, "up"], check=True)

    def files(self) -> dict[str, str]:
        """Every file that a set-up could touch, with its size and when it was changed."""
        told = self.run(
            *("find", "/etc", "/opt", "/root", "/srv", "/usr", "/var/lib", "-xdev", "-type", "f"),
            # Notes of systemd's timers, and of containers that come and go.
            *("-not", "-path", "/var/lib/systemd/*", "-not", "-path", "/var/lib/containerd/*"),
            *("-printf", r"%p\t%s %m %u %T@\n"),
        )
        return dict(line.split("\t") for line in told.splitlines())

    def changed(self, before: dict[str, str]) -> list[str]:
        """The files that are not what they were."""
        return sorted({path for path, _ in before.items() ^ self.files().items()})

    def state(self) -> dict[str, object]:
        """What a set-up makes of it, to be compared."""
        engine = json.loads(self.run("docker", "node", "inspect", "self"))[0]
        files = ("/etc/docker/daemon.json", "/etc/sysctl.d/60-livchat.conf")
        names = ("--format", "{{.Name}}")
        replicas = ("--format", "{{.Name}} {{.Replicas}}")
        units = ("list-units", "--all", "--plain", "--no-legend", "livchat-job_*")
        return {
            "name": self.run("hostname"),
            "zone": self.run("readlink", "/etc/localtime"),
            "files": self.run("sha256sum", *files),
            "packages": self.run("dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n"),
            "audit": self.run("dpkg", "--audit"),
            "labels": engine["Spec"]["Labels"],
            "networks": sorted(self.run("docker", "network", "ls", *names).split()),
            "secrets": len(self.run("docker", "secret", "ls", "-q").split()),
            "services": sorted(self.run("docker", "service", "ls", *replicas).splitlines()),
            "units": self.run("systemctl", *units),
        }


@contextmanager
def running(images: Images, registry: str, folder: Path) -> Iterator[Machine]:
    """A fresh machine, gone afterwards with all that it kept."""
    name = f"livchat-e2e-{secrets.token_hex(4)}"
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    docker(
        *("run", "-d", "--name", name, "--hostname", "fresh", "--label", "livchat-e2e"),
        *(word for capability in CAPABILITIES for word in ("--cap-add", capability)),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
        # Without it /proc/sys is read-only, and a Docker inside cannot make a network.
        *("--security-opt", "systempaths=unconfined"),
        *("-v", "/sys/fs/cgroup:/sys/fs/cgroup", "-v", f"{name}:/var/lib/docker"),
        *("--tmpfs", "/run", "--tmpfs", "/run/lock", "-p", "127.0.0.1::443"),
        # Debian 13's systemd takes cgroup v1 only if it is told to.
        *("-e", "container=docker", "-e", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"),
        *("-e", f"REGISTRY={address(registry)}", "--dns", address(registry), images.machine),
    )
    try:
        front = int(docker("port", name, "443/tcp").rpartition(":")[2])
        machine = Machine(name, address(name), key.read_text(), front)
        machine.write("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text())
        deadline = monotonic() + 60
        while machine.run("systemctl", "is-system-running", check=False) not in BOOTED:
            if monotonic() > deadline:
                raise AssertionError(docker("logs", name))
            sleep(0.1)
        machine.until(("ss", "-Hltn"), ":22 ")
        yield machine
    finally:
        docker("rm", "-f", "-v", name)
        docker("volume", "rm", name)
