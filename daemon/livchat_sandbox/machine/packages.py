"""What the distributions of the simulated machines package, and how installing it goes."""

from __future__ import annotations

from livchat_sandbox.machine.files import release

PRESENT = {
    "apt": "2.6.1",
    "bash": "5.2.15-2+b7",
    "ca-certificates": "20230311",
    "cloud-init": "22.4.2-1",
    "curl": "7.88.1-10+deb12u12",
    "dpkg": "1.21.22",
    "openssh-server": "1:9.2p1-2+deb12u6",
    "systemd": "252.38-1~deb12u1",
}
"""Packages that every image brings, with their versions."""

VENDOR = "download.docker.com"
"""Where Docker's own packages come from."""
KEY_HASH = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
"""SHA-256 of the key that signs them, in Debian's place and in Ubuntu's."""
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n(as the sandbox plays it)\n"
_BY_VENDOR = {"docker-ce", "docker-ce-cli", "containerd.io"}
_SUITES = {"bookworm", "trixie", "jammy", "noble"}
_DOCKER = {
    "bookworm": "20.10.24+dfsg1-1+deb12u1",
    "trixie": "26.1.5+dfsg1-9",
    "jammy": "28.2.2-0ubuntu1~22.04.1",
    "noble": "28.2.2-0ubuntu1~24.04.1",
    "resolute": "29.1.3-0ubuntu1",
}
_NEEDS = {
    "docker.io": ["runc", "containerd", "iptables", "tini"],
    "docker-ce": ["containerd.io", "docker-ce-cli", "iptables"],
}
_KNOWN = {
    "apparmor",
    "chrony",
    "containerd",
    "cron",
    "docker.io",
    "fail2ban",
    "git",
    "gnupg",
    "htop",
    "iptables",
    "jq",
    "logrotate",
    "nginx",
    "nftables",
    "runc",
    "tini",
    "ufw",
    "unattended-upgrades",
    "wget",
} | set(PRESENT)


def vendor_suite(distribution: str, suite: str) -> bool:
    """Whether Docker has packages for a release."""
    ubuntu = suite in {"jammy", "noble"}
    return suite in _SUITES and distribution == ("ubuntu" if ubuntu else "debian")


def available(image: str, package: str, *, vendor: bool) -> bool:
    """Whether a package can be had by the lists that were fetched, `vendor`'s among them or not."""
    if package in _BY_VENDOR:
        return vendor
    # Debian split the command line off with trixie; before, docker.io brought it.
    split = package == "docker-cli" and release(image)[2] == "trixie"
    return split or package in _KNOWN


def version(image: str, package: str) -> str:
    """The version of a package on an image."""
    if package in {"docker.io", "docker-cli"}:
        return _DOCKER[release(image)[2]]
    if package.startswith("docker-ce"):
        distribution, number, suite, _ = release(image)
        return f"5:29.9.0-1~{distribution}.{number}~{suite}"
    return PRESENT.get(package, "1.0-1")


def wanted(packages: list[str], present: dict[str, str]) -> list[str]:
    """The packages that an installation brings, in the order of being unpacked."""
    order: list[str] = []
    for package in packages:
        order += [*_NEEDS.get(package, []), package]
    return [package for package in dict.fromkeys(order) if package not in present]


def unpacked(image: str, packages: list[str]) -> dict[str, str]:
    """Versions by package, of these and of what they need."""
    return {package: version(image, package) for package in wanted(packages, {})}


def docker_version(packages: dict[str, str]) -> str | None:
    """The version of the Docker daemon that is installed, as it tells it."""
    found = packages.get("docker.io") or packages.get("docker-ce")
    return found.rpartition(":")[2].partition("-")[0] if found else None


def docker_command(image: str, packages: dict[str, str]) -> bool:
    """Whether `docker` is there to be called."""
    if "docker-ce-cli" in packages or "docker-cli" in packages:
        return True
    return "docker.io" in packages and release(image)[2] != "trixie"
