"""System commands of a simulated machine: files, names, time zone, swap, disk, memory, ports."""

from __future__ import annotations

import re

from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.machine.machine import Machine

_GIGABYTE = 1024**3
_WEB_SERVERS = ("nginx", "apache2", "caddy")
"""Packages whose programs listen on ports 80 and 443 as soon as they are installed."""
_UDP_LISTENERS = (
    'UNCONN 0      0      127.0.0.53%lo:53      0.0.0.0:*  users:(("systemd-resolve",pid=371))\n'
    'UNCONN 0      0            0.0.0.0:68      0.0.0.0:*  users:(("systemd-network",pid=355))\n'
)
_BYTES = {"K": 1024, "M": 1024**2, "G": _GIGABYTE}
_TIME_ZONE = re.compile(r"^(UTC|Etc/[\w+-]+|[A-Z]\w+/[\w+/-]+)$")


def _unsupported(program: str, args: list[str]) -> NotSimulated:
    return NotSimulated(f"arguments of {program} ({len(args)})")


def _true(_machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args:
        raise _unsupported("true", args)
    return CommandResult()


def _uname(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["-m"]:
        raise _unsupported("uname", args)
    return CommandResult(("aarch64" if machine.facts.architecture == "arm" else "x86_64") + "\n")


def _nproc(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args:
        raise _unsupported("nproc", args)
    return CommandResult(f"{machine.facts.cores}\n")


def _hostname(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args:
        raise _unsupported("hostname", args)
    return CommandResult(f"{machine.facts.hostname}\n")


def _cat(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if len(args) != 1 or args[0].startswith("-"):
        raise _unsupported("cat", args)
    content = machine.files.read(args[0])
    if content is None:
        if machine.files.has_folder(args[0]):
            return failure(f"cat: {args[0]}: Is a directory")
        return failure(f"cat: {args[0]}: No such file or directory")
    return CommandResult(content)


def _install(machine: Machine, args: list[str], stdin: str) -> CommandResult:
    if not matches(args, "-D", "-m", "*", "/dev/stdin", "*") or not args[4].startswith("/"):
        raise _unsupported("install", args)
    if not re.fullmatch(r"0?[0-7]{3,4}", args[2]):
        return failure(f"install: invalid mode '{args[2]}'")
    machine.files.write(args[4], stdin, args[2].zfill(4))
    return success()


def _rm(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args[:1] != ["-f"] or any(path.startswith("-") for path in args[1:]):
        raise _unsupported("rm", args)
    removed = [machine.files.remove(path) for path in args[1:]]
    return CommandResult(changed=any(removed))


def _tail(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if not (matches(args, "-c", "*", "*") and re.fullmatch(r"\+\d+", args[1])):
        raise _unsupported("tail", args)
    content = machine.files.read(args[2])
    if content is None:
        return failure(f"tail: cannot open '{args[2]}' for reading: No such file or directory")
    raw = content.encode(errors="surrogateescape")[max(int(args[1]) - 1, 0) :]
    return CommandResult(raw.decode(errors="surrogateescape"))


def _chmod(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if len(args) != 2 or not re.fullmatch(r"0?[0-7]{3,4}", args[0]):
        raise _unsupported("chmod", args)
    if not machine.files.chmod(args[1], args[0].zfill(4)):
        return failure(f"chmod: cannot access '{args[1]}': No such file or directory")
    return success()


def _cloud_init(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["status"]:
        raise _unsupported("cloud-init", args)
    return CommandResult(f"status: {'running' if machine.cloud_init_running() else 'done'}\n")


def _timedatectl(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args == ["show", "-p", "Timezone", "--value"]:
        return CommandResult(f"{machine.facts.timezone}\n")
    if not matches(args, "set-timezone", "*"):
        raise _unsupported("timedatectl", args)
    if not _TIME_ZONE.match(args[1]):
        return failure(f"Failed to set time zone: Invalid or not installed time zone '{args[1]}'")
    machine.facts.timezone = args[1]
    return success()


def _hostnamectl(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if not matches(args, "set-hostname", "*"):
        raise _unsupported("hostnamectl", args)
    machine.facts.hostname = args[1]
    machine.files.write("/etc/hostname", args[1] + "\n")
    return success()


def _swapon(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    swap = machine.facts.swap
    if args == ["--show=NAME", "--noheadings"]:
        return CommandResult("".join(f"{path}\n" for path in swap))
    if len(args) != 1 or args[0].startswith("-"):
        raise _unsupported("swapon", args)
    path = args[0]
    if path in swap:
        return failure(f"swapon: {path}: swapon failed: Device or resource busy", 255)
    if machine.files.read(path) is None:
        return failure(f"swapon: cannot open {path}: No such file or directory", 255)
    if not (machine.files.read(path) or "").endswith("SWAPSPACE2"):
        return failure(f"swapon: {path}: read swap header failed", 255)
    swap.append(path)
    return success()


def _swapoff(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if len(args) != 1 or args[0].startswith("-"):
        raise _unsupported("swapoff", args)
    if args[0] not in machine.facts.swap:
        return failure(f"swapoff: {args[0]}: swapoff failed: Invalid argument", 4)
    machine.facts.swap.remove(args[0])
    return success()


def _fallocate(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    size = re.fullmatch(r"(\d+)([KMG])?(?:iB)?", args[1]) if matches(args, "-l", "*", "*") else None
    if size is None:
        raise _unsupported("fallocate", args)
    number = int(size[1]) * _BYTES.get(size[2] or "", 1)
    if number > _free_disk_bytes(machine):
        return failure("fallocate: fallocate failed: No space left on device")
    # The file holds its size as text in place of so many bytes.
    machine.files.write(args[2], f"{number}\n")
    return success()


def _mkswap(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if len(args) != 1:
        raise _unsupported("mkswap", args)
    content = machine.files.read(args[0])
    if content is None:
        return failure(f"mkswap: cannot open {args[0]}: No such file or directory")
    size = int((re.match(r"\d+", content) or ["4096"])[0])
    machine.files.write(args[0], f"{size}\nSWAPSPACE2", machine.files.mode(args[0]) or "0644")
    output = (
        f"Setting up swapspace version 1, size = {size / 1024**2:.0f} MiB ({size - 4096} bytes)\n"
    )
    return success(output)


def _sysctl(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["--system"]:
        raise _unsupported("sysctl", args)
    paths = sorted(path for path in machine.files.dump() if path.startswith("/etc/sysctl.d/"))
    output = ""
    for path in paths:
        output += f"* Applying {path} ...\n"
        for line in (machine.files.read(path) or "").splitlines():
            key, equal, value = line.partition("=")
            if equal and not line.startswith(("#", ";")):
                output += f"{key.strip()} = {value.strip()}\n"
    return CommandResult(output)


def _ss(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args == ["-Hlunp"]:
        return CommandResult(_UDP_LISTENERS)
    if args not in (["-Hltn"], ["-Hltnp"]):
        raise _unsupported("ss", args)
    port, holder = machine.ssh_listener()
    ports = {port: holder} | {
        port["PublishedPort"]: "dockerd"
        for task in machine.engine.containers()
        for port in task.service.spec.ports
    }
    if machine.engine.state.swarm is not None:
        ports |= {2377: "dockerd", 7946: "dockerd"}
    ports |= {
        port: name for name in _WEB_SERVERS if name in machine.facts.packages for port in (80, 443)
    }
    with_programs = args == ["-Hltnp"]
    return CommandResult(
        "".join(
            f"LISTEN 0      128          0.0.0.0:{port}      0.0.0.0:*"
            + (f' users:(("{ports[port]}",pid=612,fd=3))\n' if with_programs else "\n")
            for port in sorted(ports)
        )
    )


def _free_disk_bytes(machine: Machine) -> int:
    images = len(machine.engine.state.images) * 350 * 1024**2
    packages = len(machine.facts.packages) * 20 * 1024**2
    return max(int(machine.facts.disk_gb * _GIGABYTE * 0.93) - 2 * _GIGABYTE - images - packages, 0)


def _df(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    free = f"{_free_disk_bytes(machine):>12}"
    if args == ["-B1", "--output=avail", "/"]:
        return CommandResult(f"       Avail\n{free}\n")
    if args != ["-B1", "--output=avail,target", "/", "/var", "/var/lib/docker"]:
        raise _unsupported("df", args)
    rows = f"{free} /\n" * 2
    if machine.engine.state.version:
        return CommandResult(f"       Avail Mounted on\n{rows}{free} /\n")
    missing = "df: /var/lib/docker: No such file or directory\n"
    return CommandResult(f"       Avail Mounted on\n{rows}", missing, 1)


def _free(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["-b"]:
        raise _unsupported("free", args)
    total = machine.memory
    used = min(300 * 1024**2 + len(machine.engine.containers()) * 120 * 1024**2, total)
    swap = 2 * _GIGABYTE if machine.facts.swap else 0
    headings = ("total", "used", "free", "shared", "buff/cache", "available")
    numbers = (total, used, total - used, 0, 0, total - used)
    return CommandResult(
        " " * 7
        + "".join(f"{heading:>14}" for heading in headings)
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
