"""What a real server in a container needs of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.e2e.package_sources import NoSource, debian_mirror


def missing() -> str | None:
    """Return what is missing, in words, or None."""
    if os.environ.get("LIVCHAT_E2E") == "0":
        return "LIVCHAT_E2E is 0"
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a real server in a container needs root on Linux"
    for program in ("docker", "debootstrap", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        debian_mirror()
    except NoSource as unknown:
        return str(unknown)
    asked = subprocess.run(["docker", "info"], capture_output=True, check=False)
    return "no Docker engine answers: start dockerd" if asked.returncode else None
