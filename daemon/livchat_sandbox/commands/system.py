"""Commands that ask and set what a machine is: files, clock, name, swap, disk, memory."""

from __future__ import annotations

import re

from livchat_sandbox.commands.result import Answer, NotSimulated, done, exactly, fail
from livchat_sandbox.machine.machine import Machine

_GIGABYTE = 1024**3
_WEB = ("nginx", "apache2", "caddy")
"""Packages whose programs take the web's ports as soon as they are there."""
_DATAGRAMS = (
    'UNCONN 0      0      127.0.0.53%lo:53      0.0.0.0:*  users:(("systemd-resolve",pid=371))\n'
    'UNCONN 0      0            0.0.0.0:68      0.0.0.0:*  users:(("systemd-network",pid=355))\n'
)
_UNITS = {"K": 1024, "M": 1024**2, "G": _GIGABYTE}
_ZONE = re.compile(r"^(UTC|Etc/[\w+-]+|[A-Z]\w+/[\w+/-]+)$")


def _other(program: str, given: list[str]) -> NotSimulated:
    return NotSimulated(f"arguments of {program} ({len(given)})")


def _true(_machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given:
        raise _other("true", given)
    return Answer()


def _uname(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["-m"]:
        raise _other("uname", given)
    return Answer(("aarch64" if machine.facts.architecture == "arm" else "x86_64") + "\n")


def _nproc(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given:
        raise _other("nproc", given)
    return Answer(f"{machine.facts.cores}\n")


def _hostname(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given:
        raise _other("hostname", given)
    return Answer(f"{machine.facts.hostname}\n")


def _cat(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if len(given) != 1 or given[0].startswith("-"):
        raise _other("cat", given)
    content = machine.files.read(given[0])
    if content is None:
        if machine.files.under(given[0]):
            return fail(f"cat: {given[0]}: Is a directory")
        return fail(f"cat: {given[0]}: No such file or directory")
    return Answer(content)


def _install(machine: Machine, given: list[str], stdin: str) -> Answer:
    if not exactly(given, "-D", "-m", "*", "/dev/stdin", "*") or not given[4].startswith("/"):
        raise _other("install", given)
    if not re.fullmatch(r"0?[0-7]{3,4}", given[2]):
        return fail(f"install: invalid mode '{given[2]}'")
    machine.files.write(given[4], stdin, given[2].zfill(4))
    return done()


def _rm(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given[:1] != ["-f"] or any(path.startswith("-") for path in given[1:]):
        raise _other("rm", given)
    gone = [machine.files.remove(path) for path in given[1:]]
    return Answer(changed=any(gone))


def _tail(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if not (exactly(given, "-c", "*", "*") and re.fullmatch(r"\+\d+", given[1])):
        raise _other("tail", given)
    content = machine.files.read(given[2])
    if content is None:
        return fail(f"tail: cannot open '{given[2]}' for reading: No such file or directory")
    raw = content.encode(errors="surrogateescape")[max(int(given[1]) - 1, 0) :]
    return Answer(raw.decode(errors="surrogateescape"))


def _chmod(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if len(given) != 2 or not re.fullmatch(r"0?[0-7]{3,4}", given[0]):
        raise _other("chmod", given)
    if not machine.files.chmod(given[1], given[0].zfill(4)):
        return fail(f"chmod: cannot access '{given[1]}': No such file or directory")
    return done()


def _cloud_init(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["status"]:
        raise _other("cloud-init", given)
    return Answer(f"status: {'running' if machine.first_boot() else 'done'}\n")


def _timedatectl(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given == ["show", "-p", "Timezone", "--value"]:
        return Answer(f"{machine.facts.timezone}\n")
    if not exactly(given, "set-timezone", "*"):
        raise _other("timedatectl", given)
    if not _ZONE.match(given[1]):
        return fail(f"Failed to set time zone: Invalid or not installed time zone '{given[1]}'")
    machine.facts.timezone = given[1]
    return done()


def _hostnamectl(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if not exactly(given, "set-hostname", "*"):
        raise _other("hostnamectl", given)
    machine.facts.hostname = given[1]
    machine.files.write("/etc/hostname", given[1] + "\n")
    return done()


def _swapon(machine: Machine, given: list[str], _stdin: str) -> Answer:
    swap = machine.facts.swap
    if given == ["--show=NAME", "--noheadings"]:
        return Answer("".join(f"{path}\n" for path in swap))
    if len(given) != 1 or given[0].startswith("-"):
        raise _other("swapon", given)
    path = given[0]
    if path in swap:
        return fail(f"swapon: {path}: swapon failed: Device or resource busy", 255)
    if machine.files.read(path) is None:
        return fail(f"swapon: cannot open {path}: No such file or directory", 255)
    if not (machine.files.read(path) or "").endswith("SWAPSPACE2"):
        return fail(f"swapon: {path}: read swap header failed", 255)
    swap.append(path)
    return done()


def _swapoff(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if len(given) != 1 or given[0].startswith("-"):
        raise _other("swapoff", given)
    if given[0] not in machine.facts.swap:
        return fail(f"swapoff: {given[0]}: swapoff failed: Invalid argument", 4)
    machine.facts.swap.remove(given[0])
    return done()


def _fallocate(machine: Machine, given: list[str], _stdin: str) -> Answer:
    size = (
        re.fullmatch(r"(\d+)([KMG])?(?:iB)?", given[1]) if exactly(given, "-l", "*", "*") else None
    )
    if size is None:
        raise _other("fallocate", given)
    number = int(size[1]) * _UNITS.get(size[2] or "", 1)
    if number > _free_disk(machine):
        return fail("fallocate: fallocate failed: No space left on device")
    # The space itself is not held in memory: a note of its size stands for it.
    machine.files.write(given[2], f"{number}\n")
    return done()


def _mkswap(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if len(given) != 1:
        raise _other("mkswap", given)
    content = machine.files.read(given[0])
    if content is None:
        return fail(f"mkswap: cannot open {given[0]}: No such file or directory")
    size = int((re.match(r"\d+", content) or ["4096"])[0])
    machine.files.write(given[0], f"{size}\nSWAPSPACE2", machine.files.mode(given[0]) or "0644")
    said = (
        f"Setting up swapspace version 1, size = {size / 1024**2:.0f} MiB ({size - 4096} bytes)\n"
    )
    return done(said)


def _sysctl(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["--system"]:
        raise _other("sysctl", given)
    held = sorted(path for path in machine.files.dump() if path.startswith("/etc/sysctl.d/"))
    said = ""
    for path in held:
        said += f"* Applying {path} ...\n"
        for line in (machine.files.read(path) or "").splitlines():
            key, equal, value = line.partition("=")
            if equal and not line.startswith(("#", ";")):
                said += f"{key.strip()} = {value.strip()}\n"
    return Answer(said)


def _ss(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given == ["-Hlunp"]:
        return Answer(_DATAGRAMS)
    if given not in (["-Hltn"], ["-Hltnp"]):
        raise _other("ss", given)
    port, holder = machine.ssh()
    ports = {port: holder} | {
        port["PublishedPort"]: "dockerd"
        for task in machine.engine.containers()
        for port in task.service.spec.ports
    }
    if machine.engine.held.swarm is not None:
        ports |= {2377: "dockerd", 7946: "dockerd"}
    ports |= {port: name for name in _WEB if name in machine.facts.packages for port in (80, 443)}
    shown = given == ["-Hltnp"]
    return Answer(
        "".join(
            f"LISTEN 0      128          0.0.0.0:{port}      0.0.0.0:*"
            + (f' users:(("{ports[port]}",pid=612,fd=3))\n' if shown else "\n")
            for port in sorted(ports)
        )
    )


def _free_disk(machine: Machine) -> int:
    images = len(machine.engine.held.images) * 350 * 1024**2
    packages = len(machine.facts.packages) * 20 * 1024**2
    return max(int(machine.facts.disk_gb * _GIGABYTE * 0.93) - 2 * _GIGABYTE - images - packages, 0)


def _df(machine: Machine, given: list[str], _stdin: str) -> Answer:
    free = f"{_free_disk(machine):>12}"
    if given == ["-B1", "--output=avail", "/"]:
        return Answer(f"       Avail\n{free}\n")
    if given != ["-B1", "--output=avail,target", "/", "/var", "/var/lib/docker"]:
        raise _other("df", given)
    rows = f"{free} /\n" * 2
    if machine.engine.held.version:
        return Answer(f"       Avail Mounted on\n{rows}{free} /\n")
    missing = "df: /var/lib/docker: No such file or directory\n"
    return Answer(f"       Avail Mounted on\n{rows}", missing, 1)


def _free(machine: Machine, given: list[str], _stdin: str) -> Answer:
    if given != ["-b"]:
        raise _other("free", given)
    total = machine.memory
    used = min(300 * 1024**2 + len(machine.engine.containers()) * 120 * 1024**2, total)
    swap = 2 * _GIGABYTE if machine.facts.swap else 0
    heads = ("total", "used", "free", "shared", "buff/cache", "available")
    numbers = (total, used, total - used, 0, 0, total - used)
    return Answer(
        " " * 7
        + "".join(f"{head:>14}" for head in heads)
        + "\nMem:   "
        + "".join(f"{number:>14}" for number in numbers)
        + f"\nSwap:  {swap:>14}{0:>14}{swap:>14}\n"
    )


PROGRAMS = {
    "true": _true,
    "uname": _uname,
    "nproc": _nproc,
    "hostname": _hostname,
    "cat": _cat,
    "install": _install,
    "rm": _rm,
    "tail": _tail,
    "chmod": _chmod,
    "cloud-init": _cloud_init,
    "timedatectl": _timedatectl,
    "hostnamectl": _hostnamectl,
    "swapon": _swapon,
    "swapoff": _swapoff,
    "fallocate": _fallocate,
    "mkswap": _mkswap,
    "sysctl": _sysctl,
    "ss": _ss,
    "df": _df,
    "free": _free,
}
