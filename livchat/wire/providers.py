"""What a provider has: types, locations, images."""

from __future__ import annotations

from livchat.wire.base import Wire


class TypeLocation(Wire):
    """A server type at a location; prices are gross, as decimal text, with a primary IPv4."""

    name: str
    available: bool
    price_monthly: str | None
    price_hourly: str | None
    currency: str | None


class ServerType(Wire):
    """A server type."""

    name: str
    cores: int
    memory_gb: float
    disk_gb: int
    architecture: str
    locations: list[TypeLocation]
    deprecated: bool


class ServerTypes(Wire):
    """The server types of a provider."""

    server_types: list[ServerType]
    provider: str


class Location(Wire):
    """A place where servers stand."""

    name: str
    city: str
    country: str
    network_zone: str


class Locations(Wire):
    """The locations of a provider."""

    locations: list[Location]


class Image(Wire):
    """An operating system."""

    name: str
    description: str
    os_flavor: str
    os_version: str | None
    architecture: str
    deprecated: bool


class Images(Wire):
    """The images of a provider."""

    images: list[Image]
