"""dpkg and apt on a simulated machine: slow, locked by cloud-init, interrupted by a stop."""

from __future__ import annotations

import re

from livchat_sandbox.commands.result import CommandResult, NotSimulated, failure, matches, success
from livchat_sandbox.machine.machine import Machine
from livchat_sandbox.machine.packages import (
    DOCKER_REPOSITORY,
    SIGNING_KEY,
    SIGNING_KEY_SHA256,
    docker_has_release,
    is_available,
    package_version,
    packages_to_install,
)
from livchat_sandbox.machine.units import Work

_APT_OPTIONS = ["-o", "DPkg::Lock::Timeout=300"]
_INSTALL_OPTIONS = ["install", "-y", "--no-install-recommends"]
_QUERY_FORMAT = r"${Package} ${Version} ${db:Status-Status}\n"
_LOCKED = (
    "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. "
    "It is held by process 812 (apt-get)..."
)
_INTERRUPTED = (
    "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. "
)
_FETCH = [
    "8", "/usr/lib/apt/apt-helper", "-q", "-o", "Acquire::http::Timeout=4",
    "-o", "Acquire::https::Timeout=4", "-o", "Acquire::Retries=0", "download-file",
]  # fmt: skip
_DOCKER_URL = re.compile(
    rf"https://{re.escape(DOCKER_REPOSITORY)}/linux/(debian|ubuntu)/(gpg|dists/([a-z]+)/InRelease)"
)
_UPGRADE = ["unattended-upgrade", "-v"]
_UPDATE_SECONDS = 4.0
_UPGRADE_SECONDS = 30.0
_INSTALL_DOCKER_SECONDS = 18.0
_INSTALL_PACKAGE_SECONDS = 1.5


def _dpkg_query(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args[:1] != ["-W"] or args[1:2] != [f"-f={_QUERY_FORMAT}"]:
        raise NotSimulated("arguments of dpkg-query")
    installed = machine.facts.packages
    known = [name for name in args[2:] or sorted(installed) if name in installed]
    unknown = [name for name in args[2:] if name not in installed]
    return CommandResult(
        stdout="".join(f"{name} {installed[name]} installed\n" for name in known),
        stderr="".join(f"dpkg-query: no packages found matching {name}\n" for name in unknown),
        exit_status=1 if unknown else 0,
    )


def _dpkg(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args != ["--configure", "-a"]:
        raise NotSimulated("arguments of dpkg")
    if machine.cloud_init_running():
        return failure(
            "dpkg: error: dpkg frontend lock was locked by another process with pid 812",
            exit_status=2,
        )
    changed = machine.facts.interrupted
    machine.facts.interrupted = False
    return CommandResult(seconds=2.0 if changed else 0.0, changed=changed)


def _apt_get(_machine: Machine, _given: list[str], _stdin: str) -> CommandResult:
    raise NotSimulated("apt-get outside a unit")


def package_work(machine: Machine, argv: list[str]) -> Work | None:
    """Return what a long command of apt or dpkg does from now on, or None if it is none of them."""
    if argv[:3] == ["apt-get", *_APT_OPTIONS]:
        rest = argv[3:]
        if rest == ["update"]:
            return _update(machine)
        if (
            rest[:3] == _INSTALL_OPTIONS
            and rest[3:]
            and not any(word.startswith("-") for word in rest[3:])
        ):
            return _installation(machine, rest[3:])
    if argv == _UPGRADE and "unattended-upgrades" in machine.facts.packages:
        return _upgrade(machine)
    if argv == ["dpkg", "--configure", "-a"]:
        starts = machine.package_lock_free_at()
        return Work([], starts + machine.clock.scaled(1.0), effect="configured", locks=True)
    return None


def _wait_for_lock(machine: Machine) -> tuple[float, list[tuple[float, str]]]:
    """Return when a command gets the package manager's lock, and what it prints until then."""
    now, starts = machine.clock.now(), machine.package_lock_free_at()
    return starts, [(now, _LOCKED)] if starts > now else []


def _update(machine: Machine) -> Work:
    starts, lines = _wait_for_lock(machine)
    ubuntu = machine.facts.image.startswith("ubuntu")
    host = "archive.ubuntu.com/ubuntu" if ubuntu else "deb.debian.org/debian"
    texts = [
        f"Get:1 http://{host} stable InRelease [151 kB]",
        f"Get:2 http://{host} stable-updates InRelease [55.4 kB]",
        f"Get:3 http://{host} stable/main Packages [8,793 kB]",
        "Fetched 9,283 kB in 2s (4,102 kB/s)",
        "Reading package lists...",
    ]
    ends = starts + machine.clock.scaled(_UPDATE_SECONDS)
    return Work([*lines, *_spread_evenly(texts, starts, ends)], ends, effect="updated", locks=True)


def _installation(machine: Machine, packages: list[str]) -> Work:
    facts, now = machine.facts, machine.clock.now()
    if facts.interrupted:
        return Work([(now, _INTERRUPTED)], now, code=100)
    unknown = [
        name
        for name in packages
        if name not in facts.packages
        and not (facts.lists and is_available(facts.image, name, docker_repository=facts.vendor))
    ]
    if unknown:
        return Work(
            [(now, f"E: Unable to locate package {name}") for name in unknown], now, code=100
        )
    starts, lines = _wait_for_lock(machine)
    missing = packages_to_install(packages, facts.packages)
    texts = [
        "Reading package lists...",
        "Building dependency tree...",
        f"0 upgraded, {len(missing)} newly installed, 0 to remove and 0 not upgraded.",
    ]
    for number, name in enumerate(missing, 1):
        texts.append(
            f"Get:{number} http://deb.debian.org/debian {name} {package_version(facts.image, name)}"
        )
    for verb in ("Unpacking", "Setting up"):
        texts += [f"{verb} {name} ({package_version(facts.image, name)}) ..." for name in missing]
    is_docker = any(name.startswith("docker") for name in missing)
    seconds = (
        _INSTALL_DOCKER_SECONDS if is_docker else _INSTALL_PACKAGE_SECONDS * min(len(missing), 4)
    )
    ends = starts + machine.clock.scaled(seconds)
    return Work(
        [*lines, *_spread_evenly(texts, starts, ends)],
        ends,
        effect="installed",
        names=packages,
        breaks=bool(missing),
        locks=True,
    )


def _upgrade(machine: Machine) -> Work:
    starts = machine.package_lock_free_at()
    texts = ["Starting unattended upgrades script", "No packages found that can be upgraded"]
    ends = starts + machine.clock.scaled(_UPGRADE_SECONDS)
    return Work(_spread_evenly(texts, starts, ends), ends, locks=True)


def _timeout(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    """Run apt-helper with a time limit; Docker's key and indexes are all that it can fetch."""
    if args[: len(_FETCH)] != _FETCH or len(args) - len(_FETCH) not in {2, 3}:
        raise NotSimulated("arguments of timeout")
    url, path, *hashes = args[len(_FETCH) :]
    match = _DOCKER_URL.fullmatch(url)
    if DOCKER_REPOSITORY in (machine.files.read("/etc/hosts") or ""):
        return failure(
            f"E: Failed to fetch {url}  Could not connect to {DOCKER_REPOSITORY}:443", 100
        )
    if match is None or (match[3] and not docker_has_release(match[1], match[3])):
        return failure(f"E: Failed to fetch {url}  404  Not Found", 100)
    if hashes and hashes != [f"SHA256:{SIGNING_KEY_SHA256}"]:
        return failure(f"E: Failed to fetch {url}  Hash Sum mismatch", 100)
    machine.files.write(path, SIGNING_KEY if match[2] == "gpg" else f"Suite: {match[3]}\n")
    return success(f"Get:1 {url}\n", seconds=0.3)


def _apt_cache(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if not matches(args, "policy", "*"):
        raise NotSimulated("arguments of apt-cache")
    facts, name = machine.facts, args[1]
    installed = facts.packages.get(name, "(none)")
    can_install = facts.lists and is_available(facts.image, name, docker_repository=facts.vendor)
    if not can_install and name not in facts.packages:
        return CommandResult()
    candidate = package_version(facts.image, name) if can_install else installed
    return CommandResult(
        f"{name}:\n  Installed: {installed}\n  Candidate: {candidate}\n  Version table:\n"
    )


def _apt_mark(machine: Machine, args: list[str], _stdin: str) -> CommandResult:
    if args == ["showhold"]:
        return success("".join(f"{name}\n" for name in sorted(machine.facts.held)))
    if args[:1] != ["hold"] or not args[1:]:
        raise NotSimulated("arguments of apt-mark")
    for name in args[1:]:
        if name not in machine.facts.packages:
            return failure(
                f"E: No installed or candidate version of package {name} can be held", 100
            )
    new = [name for name in args[1:] if name not in machine.facts.held]
    machine.facts.held += new
    return success("".join(f"{name} set on hold.\n" for name in new))


def _spread_evenly(texts: list[str], starts: float, ends: float) -> list[tuple[float, str]]:
    step = (ends - starts) / max(len(texts), 1)
    return [(starts + step * number, text) for number, text in enumerate(texts)]


PROGRAMS = {
    "dpkg-query": _dpkg_query,
    "dpkg": _dpkg,
    "apt-get": _apt_get,
    "apt-cache": _apt_cache,
    "apt-mark": _apt_mark,
    "timeout": _timeout,
}
