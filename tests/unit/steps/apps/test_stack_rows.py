"""What the rows of `docker stack` say of services and tasks."""

from __future__ import annotations

import pytest

from livchatd.steps.apps.stack_rows import is_complete, service_of


@pytest.mark.parametrize(
    ("replicas", "complete"),
    [
        ("1/1", True),
        ("3/3", True),
        ("0/1", False),
        ("2/3", False),
        ("0/0", False),
        ("1/1 (max 1 per node)", True),
        ("0/1 (1/1 completed)", True),
        ("0/1 (0/1 completed)", False),
        ("", False),
    ],
)
def test_a_service_is_up_when_all_its_replicas_run_or_its_job_is_done(
    *, replicas: str, complete: bool
) -> None:
    assert is_complete(replicas) is complete


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("n8n_editor.1", "n8n_editor"),
        ("\\_ n8n_editor.1", "n8n_editor"),
        ("a_b.x3k2", "a_b"),
    ],
)
def test_a_task_belongs_to_the_service_that_its_name_says(name: str, service: str) -> None:
    assert service_of({"Name": name}) == service
