"""The question to a person, and what is raised while they have not agreed."""

from __future__ import annotations

from typing import NamedTuple

from livchat.errors import Conflict
from livchat.wire.base import Request


class ConfirmationNeeded(Conflict):
    """The person has not agreed yet; details hold the phrase that says that they have."""

    code = "confirmation_needed"


class Question(NamedTuple):
    """What the person is asked, and the phrase that names exactly what is bought or lost."""

    message: str
    phrase: str


class PreparedCall(NamedTuple):
    """A request without open choices, and what has to be asked before it is sent."""

    request: Request
    question: Question | None = None
