"""The offer of a machine: what a provider sells where, with which image, and for how much."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict


class Offer(BaseModel):
    """A server type in a region, with an image for its architecture.

    Prices are gross, as decimal text, with an IPv4 address; None where they are not known. It is
    stored in the parameters of jobs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    server_type: str
    region: str
    image: str
    price_monthly: str | None = None
    price_hourly: str | None = None
    currency: str | None = None

    def __str__(self) -> str:
        """Return the offer as a person reads it."""
        if self.price_monthly is None:
            return f"{self.server_type} at {self.region}"
        price = f"{Decimal(self.price_monthly):.2f} {self.currency or ''}".rstrip()
        return f"{self.server_type} at {self.region} ({price} a month)"
