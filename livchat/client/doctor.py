"""Routes of the doctor."""

from __future__ import annotations

from livchat.transport import Json, Transport

DOCTOR_TIMEOUT = 90.0
"""Seconds that the doctor may take: what does not answer has 40 of them."""


class DoctorRoutes(Transport):
    """`/api/doctor`."""

    def doctor(self) -> Json:
        """GET /api/doctor."""
        return self._call("GET", "/api/doctor", wait=DOCTOR_TIMEOUT)

    def mend(self, findings: list[str] | None = None) -> Json:
        """POST /api/doctor; all that is this installation's own where none is named."""
        body = {"findings": findings}
        return self._call("POST", "/api/doctor", body=body, wait=DOCTOR_TIMEOUT)
