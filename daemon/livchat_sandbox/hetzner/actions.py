"""Hetzner's API: actions, by id and by what they act on."""

from __future__ import annotations

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import Refused, bad_field, in_order, missing, page, reply
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import Action

SORTS = {name: name for name in ("id", "command", "status", "started")} | {"finished": "ends"}
KINDS = {"servers": "server", "primary_ips": "primary_ip"}


class ActionRoutes:
    """Actions: some by id, one, those of a kind, those of one server or address."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/v1/actions", self.by_id),
            web.get(r"/v1/actions/{id:\d+}", self.show),
            web.get(r"/v1/{kind:servers|primary_ips}/actions", self.of_kind),
            web.get(r"/v1/{kind:servers|primary_ips}/actions/{id:\d+}", self.show),
            web.get(r"/v1/{kind:servers|primary_ips}/{owner:\d+}/actions", self.of_one),
            web.get(r"/v1/{kind:servers|primary_ips}/{owner:\d+}/actions/{id:\d+}", self.show),
        ]

    async def by_id(self, request: web.Request) -> web.Response:
        """The actions whose ids are given; all of them cannot be listed since 2025."""
        if "id" not in request.query:
            announcement = (
                "https://docs.hetzner.cloud/changelog#2025-01-30-listing-arbitrary-actions"
            )
            raise Refused(
                410,
                "deprecated_api_endpoint",
                "listing actions without id is not available anymore",
                {"announcement": announcement},
            )
        return self._page(request, [*self._world.state.actions.values()])

    async def show(self, request: web.Request) -> web.Response:
        """One action."""
        number = request.match_info["id"]
        action = self._world.state.actions.get(int(number))
        if action is None:
            raise missing("action", number)
        return reply({"action": self._views.action(action)})

    async def of_kind(self, request: web.Request) -> web.Response:
        """The actions on servers, or on addresses."""
        kind = KINDS[request.match_info["kind"]]
        actions = self._world.state.actions.values()
        return self._page(
            request, [a for a in actions if any(kind == resource for _, resource in a.resources)]
        )

    async def of_one(self, request: web.Request) -> web.Response:
        """The actions on one server or address."""
        kind, number = KINDS[request.match_info["kind"]], int(request.match_info["owner"])
        table = self._world.state.servers if kind == "server" else self._world.state.primary_ips
        if number not in table:
            raise missing(kind, number)
        actions = self._world.state.actions.values()
        return self._page(request, [a for a in actions if (number, kind) in a.resources])

    def _page(self, request: web.Request, actions: list[Action]) -> web.Response:
        ids, statuses = request.query.getall("id", []), request.query.getall("status", [])
        if not all(number.isdecimal() for number in ids):
            raise bad_field("id", "not a number")
        numbers = {int(number) for number in ids}
        actions = [a for a in actions if not ids or a.id in numbers]
        actions = [a for a in actions if not statuses or a.status in statuses]
        return page(request, "actions", in_order(request, actions, SORTS), self._views.action)
