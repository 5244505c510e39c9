"""Hetzner's API: what can be bought, that is server types, locations, images and prices."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import (
    ApiError,
    Json,
    json_response,
    not_found,
    page_response,
)


class ProductRoutes:
    """The routes of products, which only read."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of products."""
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
        """List all server types, retired ones among them."""
        rows = _with_name(request, self._world.server_types())
        return page_response(request, "server_types", rows, dict)

    async def server_type(self, request: web.Request) -> web.Response:
        """Show one server type."""
        server_type = self._world.products.server_type(request.match_info["id"])
        stocked = server_type and self._world.with_stock(server_type)
        return _one("server_type", request, stocked)

    async def locations(self, request: web.Request) -> web.Response:
        """List all locations."""
        rows = _with_name(request, self._world.products.locations)
        return page_response(request, "locations", rows, dict)

    async def location(self, request: web.Request) -> web.Response:
        """Show one location."""
        return _one("location", request, self._world.products.location(request.match_info["id"]))

    async def images(self, request: web.Request) -> web.Response:
        """List images; retired ones only with `include_deprecated`."""
        query = request.query
        # hcloud for Python writes a boolean as Python does.
        retired = query.get("include_deprecated", "").lower() == "true"
        images = [
            image
            for image in _with_name(request, self._world.products.images)
            if retired or not image["deprecated"]
        ]
        for field in ("type", "architecture", "status"):
            wanted = query.getall(field, [])
            images = [image for image in images if not wanted or image[field] in wanted]
        if "label_selector" in query or "bound_to" in query:
            images = []
        return page_response(request, "images", images, dict)

    async def image(self, request: web.Request) -> web.Response:
        """Show one image."""
        return _one("image", request, self._world.products.image(request.match_info["id"]))

    async def pricing(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Show all prices."""
        return json_response({"pricing": self._world.products.pricing()})

    async def datacenters(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer that the route is gone since 2026-10-01."""
        announcement = "https://docs.hetzner.cloud/changelog#2026-10-01-datacenters-removed"
        raise ApiError(
            410,
            "deprecated_api_endpoint",
            "this API endpoint is deprecated and not available anymore",
            {"announcement": announcement},
        )


def _with_name(request: web.Request, rows: list[Json]) -> list[Json]:
    name = request.query.get("name")
    return [row for row in rows if name is None or row["name"] == name]


def _one(kind: str, request: web.Request, row: Json | None) -> web.Response:
    if row is None:
        raise not_found(kind, request.match_info["id"])
    return json_response({kind: row})
