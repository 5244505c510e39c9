"""A server creation passes few files, and its way to the 202 is short: counted while it runs."""

from __future__ import annotations

import pytest

from tests.integration.journey import Outcome, count

FILES = 45
HOPS = 8
KEY_ENTRIES = 4
"""The wrapper around the handler, the key handed on, one look-up in the engine, the answer."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Command and daemon, profiled through three creations."""
    return count(tmp_path_factory.mktemp("journey") / "livchat")


def test_a_server_creation_passes_at_most_45_files(outcome: Outcome) -> None:
    """From the command to the stored end, in the command and in the daemon."""
    assert len(outcome.files) <= FILES, str(outcome)


def test_the_way_to_the_202_has_at_most_8_hops(outcome: Outcome) -> None:
    """A hop is a room through which the request goes on, and the 202."""
    assert len(outcome.hops) <= HOPS, str(outcome)


def test_the_way_to_the_202_does_not_come_back_to_the_idempotency_key_again_and_again(
    outcome: Outcome,
) -> None:
    """It enters the files that know the key a few times, and it does enter them."""
    assert 1 <= len(outcome.key_entries) <= KEY_ENTRIES, str(outcome)


def test_the_profile_sees_command_and_daemon_from_one_end_to_the_other(outcome: Outcome) -> None:
    """A profile that saw nothing would pass each of the tests above."""
    ours = {file.partition("/")[0] for file in outcome.files}
    assert ours == {"livchat", "livchatd"}
    assert outcome.hops[0] == "cli"
    assert {"client", "api", "jobs"} <= set(outcome.hops), str(outcome)
    assert any(file.startswith("livchatd/integrations/ssh") for file in outcome.files)


def test_watching_adds_to_a_creation_and_leaves_its_way_as_it_is(outcome: Outcome) -> None:
    """With `--wait` the same request is made, and the same job."""
    assert outcome.watching, str(outcome)
    assert set(outcome.hops) <= {*outcome.watched.hops}, str(outcome)
    daemon = {file for file in outcome.files if file.startswith("livchatd/")}
    assert daemon <= set(outcome.watched.files), str(outcome)
