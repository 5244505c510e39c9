"""The torture of benchmarks/crashes.py, short: a dozen kills over whole lives of servers."""

from __future__ import annotations

import pytest

from benchmarks.crashes import crash


@pytest.mark.timeout(240)
def test_a_dozen_kills_over_whole_lives_break_no_promise(tmp_path):
    tally, log = crash(tmp_path / "livchat", seed=7, kills=12, lives=2, scale=0.01)
    assert tally.broken == []
    assert tally.kills == 12
    assert log.counts["events"] > 0
    assert log.counts["ended: completed"] > 0
