"""Hetzner's API: actions, by id and by what they act on."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import (
    ApiError,
    invalid_field,
    json_response,
    not_found,
    page_response,
    sorted_by_query,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import Action

SORTABLE = {name: name for name in ("id", "command", "status", "started")} | {"finished": "ends"}
KINDS = {"servers": "server", "primary_ips": "primary_ip"}
"""Kind of resource by the word of the path."""


class ActionRoutes:
    """The routes of actions: some by id, one, those of a kind, those of one server or address."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of actions."""
        return [
            web.get("/v1/actions", self.by_id),
            web.get(r"/v1/actions/{id:\d+}", self.show),
            web.get(r"/v1/{kind:servers|primary_ips}/actions", self.of_kind),
            web.get(r"/v1/{kind:servers|primary_ips}/actions/{id:\d+}", self.show),
            web.get(r"/v1/{kind:servers|primary_ips}/{owner:\d+}/actions", self.of_one),
            web.get(r"/v1/{kind:servers|primary_ips}/{owner:\d+}/actions/{id:\d+}", self.show),
        ]

    async def by_id(self, request: web.Request) -> web.Response:
        """List the actions whose ids are given; to list all is an error since 2025-01-30."""
        if "id" not in request.query:
            announcement = (
                "https://docs.hetzner.cloud/changelog#2025-01-30-listing-arbitrary-actions"
            )
            raise ApiError(
                410,
                "deprecated_api_endpoint",
                "listing actions without id is not available anymore",
                {"announcement": announcement},
            )
        return self._page(request, [*self._world.state.actions.values()])

    async def show(self, request: web.Request) -> web.Response:
        """Show one action."""
        action_id = request.match_info["id"]
        action = self._world.state.actions.get(int(action_id))
        if action is None:
            raise not_found("action", action_id)
        return json_response({"action": self._views.action(action)})

    async def of_kind(self, request: web.Request) -> web.Response:
        """List the actions on servers, or on addresses."""
        kind = KINDS[request.match_info["kind"]]
        actions = self._world.state.actions.values()
        on_kind = [each for each in actions if any(kind == one for _, one in each.resources)]
        return self._page(request, on_kind)

    async def of_one(self, request: web.Request) -> web.Response:
        """List the actions on one server or address."""
        kind, owner_id = KINDS[request.match_info["kind"]], int(request.match_info["owner"])
        table = self._world.state.servers if kind == "server" else self._world.state.primary_ips
        if owner_id not in table:
            raise not_found(kind, owner_id)
        actions = self._world.state.actions.values()
        return self._page(request, [each for each in actions if (owner_id, kind) in each.resources])

    def _page(self, request: web.Request, actions: list[Action]) -> web.Response:
        ids, statuses = request.query.getall("id", []), request.query.getall("status", [])
        if not all(text.isdecimal() for text in ids):
            raise invalid_field("id", "not a number")
        numbers = {int(text) for text in ids}
        matching = [
            action
            for action in actions
            if (not ids or action.id in numbers) and (not statuses or action.status in statuses)
        ]
        ordered = sorted_by_query(request, matching, SORTABLE)
        return page_response(request, "actions", ordered, self._views.action)
