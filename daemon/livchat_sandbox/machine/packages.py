"""The packages of the simulated distributions: what can be installed, and in which version."""

from __future__ import annotations

from livchat_sandbox.machine.files import image_release

PREINSTALLED = {
    "apt": "2.6.1",
    "bash": "5.2.15-2+b7",
    "ca-certificates": "20230311",
    "cloud-init": "22.4.2-1",
    "curl": "7.88.1-10+deb12u12",
    "dpkg": "1.21.22",
    "openssh-server": "1:9.2p1-2+deb12u6",
    "systemd": "252.38-1~deb12u1",
}
"""Version by package, of those that are on every image."""

DOCKER_REPOSITORY = "download.docker.com"
"""The host of Docker's own packages."""
SIGNING_KEY_SHA256 = "1500c1f56fa9e26b9b8f42452a553675796ade0807cdce11975eb98170b3a570"
"""SHA-256 of the key that signs Docker's packages, the same for Debian and for Ubuntu."""
SIGNING_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n(as the sandbox plays it)\n"
_OF_DOCKER_REPOSITORY = {"docker-ce", "docker-ce-cli", "containerd.io"}
_DOCKER_RELEASES = {"bookworm", "trixie", "jammy", "noble"}
_DOCKER_IO_VERSIONS = {
    "bookworm": "20.10.24+dfsg1-1+deb12u1",
    "trixie": "26.1.5+dfsg1-9",
    "jammy": "28.2.2-0ubuntu1~22.04.1",
    "noble": "28.2.2-0ubuntu1~24.04.1",
    "resolute": "29.1.3-0ubuntu1",
}
_DEPENDENCIES = {
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
} | set(PREINSTALLED)


def docker_has_release(distribution: str, suite: str) -> bool:
    """Whether Docker's repository has packages for a release, named by its code name."""
    ubuntu = suite in {"jammy", "noble"}
    return suite in _DOCKER_RELEASES and distribution == ("ubuntu" if ubuntu else "debian")


def is_available(image: str, package: str, *, docker_repository: bool) -> bool:
    """Whether a package can be installed by the lists that were fetched.

    `docker_repository` says whether those of Docker's own repository are among them.
    """
    if package in _OF_DOCKER_REPOSITORY:
        return docker_repository
    # Since trixie Debian has the command line in a package of its own, before in docker.io.
    is_docker_cli = package == "docker-cli" and image_release(image)[2] == "trixie"
    return is_docker_cli or package in _KNOWN


def package_version(image: str, package: str) -> str:
    """Return the version of a package for an image."""
    if package in {"docker.io", "docker-cli"}:
        return _DOCKER_IO_VERSIONS[image_release(image)[2]]
    if package.startswith("docker-ce"):
        distribution, number, suite, _ = image_release(image)
        return f"5:29.9.0-1~{distribution}.{number}~{suite}"
    return PREINSTALLED.get(package, "1.0-1")


def packages_to_install(packages: list[str], installed: dict[str, str]) -> list[str]:
    """Return the packages that an installation brings, in the order in which they are unpacked."""
    unpacked: list[str] = []
    for package in packages:
        unpacked += [*_DEPENDENCIES.get(package, []), package]
    return [package for package in dict.fromkeys(unpacked) if package not in installed]


def versions_with_dependencies(image: str, packages: list[str]) -> dict[str, str]:
    """Return versions by package, of these packages and of those that they depend on."""
    return {
        package: package_version(image, package) for package in packages_to_install(packages, {})
    }


def docker_version(packages: dict[str, str]) -> str | None:
    """Return the version that the installed Docker daemon reports, or None if there is none."""
    package = packages.get("docker.io") or packages.get("docker-ce")
    return package.rpartition(":")[2].partition("-")[0] if package else None


def has_docker_command(image: str, packages: dict[str, str]) -> bool:
    """Whether the `docker` command is installed."""
    if "docker-ce-cli" in packages or "docker-cli" in packages:
        return True
    return "docker.io" in packages and image_release(image)[2] != "trixie"
