"""A real Debian to work on, where Docker can run; elsewhere these tests are skipped by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import images, machine
from tests.e2e.engine import missing
from tests.e2e.house import House, done, looking_after
from tests.e2e.images import Images
from tests.e2e.machine import Machine


@dataclass(frozen=True)
class Ground:
    """What all machines stand on."""

    images: Images
    registry: str


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """The images, built once, and the registry that gives them."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    made = Images().provide()
    with images.registry(made.registry) as registry:
        yield Ground(made, registry)


@pytest.fixture
def box(ground: Ground, tmp_path: Path) -> Iterator[Machine]:
    """A fresh machine."""
    with machine.running(ground.images, ground.registry, tmp_path) as made:
        yield made


@pytest.fixture
def house(ground: Ground, box: Machine, tmp_path: Path) -> Iterator[House]:
    """A daemon that may look after the machine."""
    with looking_after(box, ground.registry, tmp_path / "house") as made:
        yield made


@pytest.fixture(scope="session")
def _set_up_once(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A machine that was set up for all tests that do not try the set-up itself."""
    folder = tmp_path_factory.mktemp("standing")
    with (
        machine.running(ground.images, ground.registry, folder) as box,
        looking_after(box, ground.registry, folder / "house") as made,
    ):
        done(made.add())
        done(made.set_up())
        yield made


@pytest.fixture
def standing(_set_up_once: House) -> House:
    """The machine that is set up. A test leaves it as it was, or brings apps that only it knows."""
    _set_up_once.point_names()
    return _set_up_once
