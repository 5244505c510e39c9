"""What must be deployed for an app to run, in order."""

from __future__ import annotations

from livchat.errors import Invalid
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.schema import Category


def resolve(catalog: Catalog, wanted: list[str], installed: list[str]) -> list[str]:
    """The apps to deploy, each once, what an app needs before it.

    An installed app is left out unless it is wanted by name. `NotFound` for an unknown app,
    `Invalid` for a circle, a capability that nothing offers, or a part of the set-up.
    """
    order: list[str] = []
    done: set[str] = set()

    def visit(app: App, way: tuple[str, ...]) -> None:
        if app.id in way:
            circle = " -> ".join((*way[way.index(app.id) :], app.id))
            raise Invalid(f"apps need each other in a circle: {circle}")
        if app.id in done:
            return
        for need in app.needs:
            visit(provider(catalog, need, [*installed, *wanted]), (*way, app.id))
        done.add(app.id)
        if app.id in wanted or app.id not in installed:
            order.append(app.id)

    for name in wanted:
        app = catalog.app(name)
        if app.category is Category.INFRASTRUCTURE:
            raise Invalid.field(
                "app_name",
                f"{app.title} comes with the set-up of a server",
                hint="livchat server setup --help",
            )
        visit(app, ())
    return order


def provider(catalog: Catalog, capability: str, installed: list[str]) -> App:
    """The app that offers a capability: an installed one, else the one that the catalog prefers."""
    offers = catalog.providers(capability)
    if not offers:
        raise Invalid(f"no app of the catalog offers '{capability}'", hint="livchat app catalog")
    return next((app for app in offers if app.id in installed), offers[0])
