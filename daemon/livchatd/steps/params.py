"""What a job was asked to do, with every choice made: the parameters of the workflows."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from livchat.wire.servers import Challenge


class Order(BaseModel):
    """Frozen; without secrets: it is shown as the job's `params`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Offer(Order):
    """A server type at a place with an image for its architecture, and what it costs, gross."""

    server_type: str
    region: str
    image: str
    price_monthly: str | None = None
    price_hourly: str | None = None
    currency: str | None = None

    def __str__(self) -> str:
        """As a person reads it."""
        if self.price_monthly is None:
            return f"{self.server_type} at {self.region}"
        price = f"{Decimal(self.price_monthly):.2f} {self.currency or ''}".rstrip()
        return f"{self.server_type} at {self.region} ({price} a month)"


class CreateServerOrder(Offer):
    """A machine to be bought, chosen from what the provider has.

    `sold_out` was asked for first; `fallback` is taken, in order, if this one's order is refused.
    """

    name: str
    provider: str
    sold_out: list[Offer] = []
    fallback: list[Offer] = []

    @property
    def offers(self) -> list[Offer]:
        """All that may be bought, in order."""
        return [
            Offer.model_validate(self.model_dump(include=set(Offer.model_fields))),
            *self.fallback,
        ]


class AddServerOrder(Order):
    """A machine of the user's own. `public_key` is of a key of ours that is yet to be let in."""

    name: str
    provider: str = "own"
    host: str
    ip_address: str
    port: int
    user: str
    host_key: str | None = None
    public_key: str | None = None


class SetupServerOrder(Order):
    """A server to be set up. `open_ports` are those that stay open beside SSH and the web's.

    `challenge` is what `challenge_asked` came to.
    """

    name: str
    provider: str
    zone_name: str
    subdomain: str | None
    ssl_email: str
    timezone: str
    open_ports: list[str] = []
    challenge: Challenge = Challenge.HTTP
    challenge_asked: Challenge = Challenge.AUTO


class AppOrder(Order):
    """One app to be deployed. `hosts` are by route; `needs` are the apps that it binds to."""

    app_name: str
    title: str
    config: dict[str, str | int | float | bool] = {}
    hosts: dict[str, str] = {}
    needs: list[str] = []


class DeployAppOrder(Order):
    """Apps to be deployed on a server, in order of need; the last is the one asked for."""

    server: str
    provider: str
    zone_name: str
    subdomain: str | None
    ssl_email: str
    timezone: str
    challenge: Challenge = Challenge.HTTP
    apps: list[AppOrder]


class UpOrder(Order):
    """From nothing, or from what is there, to running apps."""

    server: CreateServerOrder
    setup: SetupServerOrder
    apps: list[AppOrder]


class DeleteServerOrder(Order):
    """A server to be deleted, with all that was made for it."""

    name: str
    provider: str


class DeleteAppOrder(Order):
    """An app to be deleted; `purge` takes its volumes and databases too."""

    server: str
    provider: str
    app_name: str
    title: str
    purge: bool = False
