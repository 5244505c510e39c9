"""All operations, one field a noun: what the API asks for."""

from __future__ import annotations

from dataclasses import dataclass

from livchatd.operations.apps import AppOperations
from livchatd.operations.config import ConfigOperations
from livchatd.operations.doctor import DoctorOperations
from livchatd.operations.exec import ExecOperations
from livchatd.operations.jobs import JobOperations
from livchatd.operations.providers import ProviderOperations
from livchatd.operations.secrets import SecretOperations
from livchatd.operations.servers import ServerOperations
from livchatd.operations.system import SystemOperations
from livchatd.operations.up import UpOperations
from livchatd.storage.audit_log import AuditLog


@dataclass(frozen=True)
class Operations:
    """The operations of each noun: a request is refused, answered at once, or submitted as a job.

    The API writes down in `audit_log` what it was asked to change, and what came of it.
    """

    servers: ServerOperations
    apps: AppOperations
    up: UpOperations
    exec: ExecOperations
    jobs: JobOperations
    doctor: DoctorOperations
    providers: ProviderOperations
    secrets: SecretOperations
    config: ConfigOperations
    system: SystemOperations
    audit_log: AuditLog
