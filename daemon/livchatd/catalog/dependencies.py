"""The dependencies of apps: which apps must be deployed for others, and in which order."""

from __future__ import annotations

from livchat.errors import InvalidRequest
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.schema import Category


def deployment_order(catalog: Catalog, wanted: list[str], installed: list[str]) -> list[str]:
    """Return the names of the apps to deploy, each once, every app after those that it needs.

    An installed app is left out unless it is in `wanted`. Raises `NotFound` for an unknown app,
    `InvalidRequest` for a circle of dependencies, a capability that no app offers, and an app
    that the set-up of a server deploys.
    """
    names: list[str] = []
    done: set[str] = set()

    def visit(app: App, path: tuple[str, ...]) -> None:
        if app.id in path:
            circle = " -> ".join((*path[path.index(app.id) :], app.id))
            raise InvalidRequest(f"apps need each other in a circle: {circle}")
        if app.id in done:
            return
        for need in app.needs:
            visit(app_offering(catalog, need, [*installed, *wanted]), (*path, app.id))
        done.add(app.id)
        if app.id in wanted or app.id not in installed:
            names.append(app.id)

    for name in wanted:
        app = catalog.app(name)
        if app.category is Category.INFRASTRUCTURE:
            raise InvalidRequest.field(
                "app_name",
                f"{app.title} comes with the set-up of a server",
                hint="livchat server setup --help",
            )
        visit(app, ())
    return names


def app_offering(catalog: Catalog, capability: str, installed: list[str]) -> App:
    """Return an app that offers a capability: an installed one, else the catalog's first.

    Raises `InvalidRequest` if no app of the catalog offers it.
    """
    offers = catalog.apps_offering(capability)
    if not offers:
        raise InvalidRequest(
            f"no app of the catalog offers '{capability}'", hint="livchat app catalog"
        )
    return next((app for app in offers if app.id in installed), offers[0])
