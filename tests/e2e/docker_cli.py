"""A Docker command line that knows `docker stack config`: this machine's, else a Debian 13's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.engine import missing
from tests.e2e.images import Images, docker

SMALL = "services: {a: {image: b}}"


class NoCommandLine(Exception):
    """None is on this machine, and no Debian 13 can run on it."""


@contextmanager
def that_knows_stack_config() -> Iterator[tuple[str, ...]]:
    """Give the words that such a command line is called by, here or in a container.

    Raises `NoCommandLine` with what is missing. Docker 20.10, Debian 12's, does not know it.
    """
    if shutil.which("docker") and _knows(("docker",)):
        yield ("docker",)
        return
    reason = missing()
    if reason:
        raise NoCommandLine(f"no Docker that knows `docker stack config`, and {reason}")
    image = Images().provide().machine
    held = docker("run", "-d", "--label", "livchat-e2e", "--entrypoint", "sleep", image, "infinity")
    try:
        # Its image has fetched the package already.
        docker("exec", held, "apt-get", "install", "-y", "-qq", "--no-download", "docker-cli")
        words = ("docker", "exec", "-i", held, "docker")
        assert _knows(words)
        yield words
    finally:
        docker("rm", "-f", "-v", held)


def _knows(words: tuple[str, ...]) -> bool:
    tried = subprocess.run(
        [*words, "stack", "config", "-c", "-"],
        input=SMALL,
        text=True,
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0
