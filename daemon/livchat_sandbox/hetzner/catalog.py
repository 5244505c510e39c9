"""Hetzner's API: what can be bought (server types, locations, images, prices)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import Refused, missing, page, reply

Data = dict[str, Any]


class CatalogRoutes:
    """The routes that only read."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/v1/server_types", self.server_types),
            web.get(r"/v1/server_types/{id:\d+}", self.server_type),
            web.get("/v1/locations", self.locations),
            web.get(r"/v1/locations/{id:\d+}", self.location),
            web.get("/v1/images", self.images),
            web.get(r"/v1/images/{id:\d+}", self.image),
            web.get("/v1/pricing", self.pricing),
            web.get("/v1/datacenters", self.datacenters),
            web.get(r"/v1/datacenters/{id:\d+}", self.datacenters),
        ]

    async def server_types(self, request: web.Request) -> web.Response:
        """All types, retired ones among them."""
        return page(request, "server_types", _named(request, self._world.server_types()), dict)

    async def server_type(self, request: web.Request) -> web.Response:
        """One type."""
        kind = self._world.catalog.server_type(request.match_info["id"])
        return _one("server_type", request, kind and self._world.in_stock(kind))

    async def locations(self, request: web.Request) -> web.Response:
        """All locations."""
        return page(request, "locations", _named(request, self._world.catalog.locations), dict)

    async def location(self, request: web.Request) -> web.Response:
        """One location."""
        return _one("location", request, self._world.catalog.location(request.match_info["id"]))

    async def images(self, request: web.Request) -> web.Response:
        """Images, retired ones only if asked for."""
        query = request.query
        # hcloud for Python writes a boolean as Python does.
        retired = query.get("include_deprecated", "").lower() == "true"
        images = [
            i for i in _named(request, self._world.catalog.images) if retired or not i["deprecated"]
        ]
        for field in ("type", "architecture", "status"):
            wanted = query.getall(field, [])
            images = [i for i in images if not wanted or i[field] in wanted]
        if "label_selector" in query or "bound_to" in query:
            images = []
        return page(request, "images", images, dict)

    async def image(self, request: web.Request) -> web.Response:
        """One image."""
        return _one("image", request, self._world.catalog.image(request.match_info["id"]))

    async def pricing(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """All prices."""
        return reply({"pricing": self._world.catalog.pricing()})

    async def datacenters(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Gone since 2026-10-01."""
        announcement = "https://docs.hetzner.cloud/changelog#2026-10-01-datacenters-removed"
        raise Refused(
            410,
            "deprecated_api_endpoint",
            "this API endpoint is deprecated and not available anymore",
            {"announcement": announcement},
        )


def _named(request: web.Request, rows: list[Data]) -> list[Data]:
    name = request.query.get("name")
    return [row for row in rows if name is None or row["name"] == name]


def _one(what: str, request: web.Request, found: Data | None) -> web.Response:
    if found is None:
        raise missing(what, request.match_info["id"])
    return reply({what: found})
