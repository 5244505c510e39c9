"""The client: all routes of the daemon's API in one object.

What a method returns is the JSON object of the contract, as it is. An error response is raised as
the class of `livchat.errors` that its code names. A call that changes something carries an
idempotency key and is sent again with it when the connection breaks, so that it happens once.
"""

from __future__ import annotations

from livchat.client.apps import AppRoutes
from livchat.client.config import ConfigRoutes
from livchat.client.doctor import DoctorRoutes
from livchat.client.jobs import JobRoutes
from livchat.client.providers import ProviderRoutes
from livchat.client.secrets import SecretRoutes
from livchat.client.servers import ServerRoutes
from livchat.client.system import SystemRoutes
from livchat.client.up import UpRoutes


class Client(
    SystemRoutes,
    ConfigRoutes,
    ServerRoutes,
    AppRoutes,
    UpRoutes,
    JobRoutes,
    ProviderRoutes,
    SecretRoutes,
    DoctorRoutes,
):
    """A daemon's API."""
