"""What every test stands on: no network but loopback, and places of its own."""

from __future__ import annotations

import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.distribution import (
    pytest_collection_modifyitems,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_xdist_auto_num_workers",
    "pytest_xdist_make_scheduler",
]

# Tests may not depend on timing: a slow machine is no failure, and each run tries the same cases.
STEADY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, **STEADY)
# For `--hypothesis-profile fresh --hypothesis-seed N`: other cases than every day, and more.
settings.register_profile("fresh", derandomize=False, max_examples=1_000, **STEADY)
settings.load_profile("steady")

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Any:
    """Refuse every connection that would leave this machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if host != "localhost" and not ipaddress.ip_address(host.split("%")[0]).is_loopback:
                raise AssertionError(f"a test tried to leave this machine: {address!r}")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> Any:
    """What a test starts heeds Ctrl-C, even if a shell that runs us in its background does not."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the places of the person who runs it."""
    monkeypatch.setenv("LIVCHAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIVCHAT_SANDBOX_TIME_SCALE", "0")
    for name in ("LIVCHAT_URL", "LIVCHAT_TOKEN_FILE", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT
