"""What a person reads when a task does not run."""

from __future__ import annotations

import pytest

from livchatd.steps.apps.task_failures import task_failure


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        ("task: non-zero exit (137)", "want of memory", "job logs job_1"),
        ("task: non-zero exit (127)", "no such program", "job logs job_1"),
        ("task: non-zero exit (3)", "task: non-zero exit (3)", "job logs job_1"),
        ('"task: non-zero exit (137): dockerexec: unhealthy container"', "health check", "logs"),
        ("No such image: a/b:1", "may not fetch it", "job logs job_1"),
        ("", "exit status 0", "job logs job_1"),
        (
            "no suitable node (insufficient resources on 1 node)",
            "more memory or processors",
            "livchat app list box",
        ),
        (
            "no suitable node (scheduling constraints not satisfied on 1 node)",
            "labels",
            "livchat server setup box",
        ),
        ("no suitable node (host-mode port already in use on 1 node)", "is taken", "server exec"),
        ("no suitable node (something new)", "none of the swarm will do", "server exec box"),
    ],
)
def test_dockers_words_are_kept_with_what_they_mean_and_what_to_do(
    error: str, text: str, hint: str
) -> None:
    found = task_failure(error, "box", "job_1")
    assert error.strip('"') in found.text
    assert text in found.text
    assert hint in found.hint


def test_what_will_not_get_better_is_told_sooner() -> None:
    often = [
        task_failure(error, "box", "job_1").failures_needed
        for error in ("No such image: a", "unhealthy container", "task: non-zero exit (1)")
    ]
    assert often == sorted(often)
    assert often[0] == 1
