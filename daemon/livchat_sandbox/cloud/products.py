"""What can be bought in the sandbox: server types, locations, images, prices; from products.json.

Prices are decimal text with ten places, as Hetzner sends them. All data is made once and shared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib import resources
from typing import Any

Json = dict[str, Any]


class Products:
    """Server types, locations, images and prices, each in the form of Hetzner's API."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.currency: str = data["currency"]
        self.vat_rate = Decimal(data["vat_rate"])
        self.locations: list[Json] = list(data["locations"])
        self._extras: Mapping[str, str] = data["extras"]
        self._address_prices: Mapping[str, Mapping[str, str]] = data["primary_ip"]
        locations = {each["name"]: each for each in self.locations}
        self.server_types = [self._server_type(entry, locations) for entry in data["server_types"]]
        self.images = [_image(entry) for entry in data["images"]]

    @classmethod
    def load(cls) -> Products:
        """Return the products that come with the sandbox."""
        text = resources.files("livchat_sandbox.cloud").joinpath("products.json").read_text("utf-8")
        return cls(json.loads(text))

    def location(self, name_or_id: object) -> Json | None:
        """Return a location by name or id, or None."""
        return _find(self.locations, name_or_id)

    def server_type(self, name_or_id: object) -> Json | None:
        """Return a server type by name or id, or None."""
        return _find(self.server_types, name_or_id)

    def image(self, name_or_id: object, architecture: str | None = None) -> Json | None:
        """Return an image by id, or by name for an architecture if that has one; or None."""
        matching = [
            image
            for image in self.images
            if architecture is None or image["architecture"] == architecture
        ]
        return _find(matching, name_or_id) or _find(self.images, name_or_id)

    def server_price_monthly(self, server_type: str, location: str) -> Decimal:
        """Return a server's gross price a month, without its address; 0 if it is not sold there."""
        found = self.server_type(server_type) or {"prices": []}
        prices = [
            price["price_monthly"] for price in found["prices"] if price["location"] == location
        ]
        return Decimal(prices[0]["gross"]) if prices else Decimal(0)

    def address_price_monthly(self, kind: str) -> Decimal:
        """Return the gross price of an address a month; `kind` is ipv4 or ipv6."""
        return Decimal(self._price(self._address_prices[kind]["monthly_net"])["gross"])

    def pricing(self) -> Json:
        """Return the body of `GET /pricing`."""
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
                {"id": each["id"], "name": each["name"], "prices": each["prices"]}
                for each in self.server_types
            ],
            "load_balancer_types": [],
        }

    def _everywhere(self, price: Json) -> list[Json]:
        return [{"location": location["name"], **price} for location in self.locations]

    def _extra(self, name: str) -> Json:
        return self._price(self._extras[name])

    def _price(self, net: str) -> Json:
        amount = Decimal(net)
        return {"net": f"{amount:.10f}", "gross": f"{amount * (1 + self.vat_rate / 100):.10f}"}

    def _server_type(self, entry: Json, locations: Mapping[str, Json]) -> Json:
        deprecation = entry.get("deprecation")
        copied = ("id", "name", "description", "category", "cores", "memory", "disk", "cpu_type")
        return {
            **{name: entry[name] for name in copied},
            "storage_type": "local",
            "architecture": entry["architecture"],
            "deprecated": deprecation is not None,
            "deprecation": deprecation,
            "prices": [self._offer(offer) for offer in entry["locations"]],
            "locations": [
                {
                    "id": locations[offer["name"]]["id"],
                    "name": offer["name"],
                    "deprecation": deprecation,
                    "available": offer["available"],
                    "recommended": offer["recommended"],
                }
                for offer in entry["locations"]
            ],
        }

    def _offer(self, offer: Json) -> Json:
        traffic = "traffic_tb_sin" if offer["name"] == "sin" else "traffic_tb"
        return {
            "location": offer["name"],
            "price_hourly": self._price(offer["hourly_net"]),
            "price_monthly": self._price(offer["monthly_net"]),
            "included_traffic": int(offer["traffic_tb"] * 1024**4),
            "price_per_tb_traffic": self._extra(traffic),
        }


def _image(entry: Json) -> Json:
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


def _find(entries: Iterable[Json], name_or_id: object) -> Json | None:
    for entry in entries:
        if entry["name"] == name_or_id or str(entry["id"]) == str(name_or_id):
            return entry
    return None
