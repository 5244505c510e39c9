"""What can be bought in the sandbox: types, places, images and prices, from products.json.

Prices are decimal text with ten places, as Hetzner sends them. Made once, shared by all answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any

Data = dict[str, Any]


class Catalog:
    """The types, places, images and prices, each in the form in which Hetzner's API gives it."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.currency: str = facts["currency"]
        self.vat_rate = Decimal(facts["vat_rate"])
        self.locations: list[Data] = list(facts["locations"])
        self._extras: Mapping[str, str] = facts["extras"]
        self._address_prices: Mapping[str, Mapping[str, str]] = facts["primary_ip"]
        places = {place["name"]: place for place in self.locations}
        self.server_types = [self._server_type(entry, places) for entry in facts["server_types"]]
        self.images = [_image(entry) for entry in facts["images"]]

    @classmethod
    def load(cls) -> Catalog:
        """The catalogue that comes with the sandbox."""
        text = resources.files("livchat_sandbox.cloud").joinpath("products.json").read_text("utf-8")
        return cls(json.loads(text))

    def location(self, asked: object) -> Data | None:
        """A place by name or id."""
        return _find(self.locations, asked)

    def server_type(self, asked: object) -> Data | None:
        """A server type by name or id."""
        return _find(self.server_types, asked)

    def image(self, asked: object, architecture: str | None = None) -> Data | None:
        """An image by id, or by name for an architecture."""
        same = [i for i in self.images if architecture is None or i["architecture"] == architecture]
        return _find(same, asked) or _find(self.images, asked)

    def monthly(self, server_type: str, location: str) -> Decimal:
        """The gross price of a server a month, without its address."""
        kind = self.server_type(server_type) or {"prices": []}
        prices = [p["price_monthly"] for p in kind["prices"] if p["location"] == location]
        return Decimal(prices[0]["gross"]) if prices else Decimal(0)

    def address_monthly(self, kind: str) -> Decimal:
        """The gross price of an address a month; `kind` is ipv4 or ipv6."""
        return Decimal(self._price(self._address_prices[kind]["monthly_net"])["gross"])

    def pricing(self) -> Data:
        """What `GET /pricing` answers."""
        return {
            "currency": self.currency,
            "vat_rate": f"{self.vat_rate:.10f}",
            "image": {"price_per_gb_month": self._extra("image_gb_month")},
            "volume": {"price_per_gb_month": self._extra("volume_gb_month")},
            "floating_ip": {"price_monthly": self._extra("floating_ip_ipv4_month")},
            "floating_ips": [
                {
                    "type": kind,
                    "prices": self._everywhere(
                        {"price_monthly": self._extra(f"floating_ip_{kind}_month")}
                    ),
                }
                for kind in ("ipv4", "ipv6")
            ],
            "primary_ips": [
                {
                    "type": kind,
                    "prices": self._everywhere(
                        {
                            "price_hourly": self._price(price["hourly_net"]),
                            "price_monthly": self._price(price["monthly_net"]),
                        }
                    ),
                }
                for kind, price in self._address_prices.items()
            ],
            "server_backup": {"percentage": f"{Decimal(self._extras['backup_percentage']):.10f}"},
            "server_types": [
                {"id": kind["id"], "name": kind["name"], "prices": kind["prices"]}
                for kind in self.server_types
            ],
            "load_balancer_types": [],
        }

    def _everywhere(self, price: Data) -> list[Data]:
        return [{"location": place["name"], **price} for place in self.locations]

    def _extra(self, name: str) -> Data:
        return self._price(self._extras[name])

    def _price(self, net: str) -> Data:
        amount = Decimal(net)
        return {"net": f"{amount:.10f}", "gross": f"{amount * (1 + self.vat_rate / 100):.10f}"}

    def _server_type(self, entry: Data, places: Mapping[str, Data]) -> Data:
        deprecation = entry.get("deprecation")
        facts = ("id", "name", "description", "category", "cores", "memory", "disk", "cpu_type")
        return {
            **{fact: entry[fact] for fact in facts},
            "storage_type": "local",
            "architecture": entry["architecture"],
            "deprecated": deprecation is not None,
            "deprecation": deprecation,
            "prices": [self._offer(offer) for offer in entry["locations"]],
            "locations": [
                {
                    "id": places[offer["name"]]["id"],
                    "name": offer["name"],
                    "deprecation": deprecation,
                    "available": offer["available"],
                    "recommended": offer["recommended"],
                }
                for offer in entry["locations"]
            ],
        }

    def _offer(self, offer: Data) -> Data:
        traffic = "traffic_tb_sin" if offer["name"] == "sin" else "traffic_tb"
        return {
            "location": offer["name"],
            "price_hourly": self._price(offer["hourly_net"]),
            "price_monthly": self._price(offer["monthly_net"]),
            "included_traffic": int(offer["traffic_tb"] * 1024**4),
            "price_per_tb_traffic": self._extra(traffic),
        }


def _image(entry: Data) -> Data:
    deprecation = entry.get("deprecation")
    return {
        **{key: value for key, value in entry.items() if key != "deprecation"},
        "status": "available",
        "image_size": None,
        "created_from": None,
        "bound_to": None,
        "rapid_deploy": entry["type"] == "system",
        "protection": {"delete": False},
        "deprecated": deprecation and deprecation["announced"],
        "deprecation": deprecation,
        "deleted": None,
        "labels": {},
    }


def _find(entries: Iterable[Data], asked: object) -> Data | None:
    for entry in entries:
        if entry["name"] == asked or str(entry["id"]) == str(asked):
            return entry
    return None
