"""The catalog: the app definitions that come with LivChat, and the user's own beside them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from livchat.errors import Invalid, NotFound
from livchat.wire.apps import CatalogApp
from livchat.wire.base import parse
from livchatd.catalog.lint import lint
from livchatd.catalog.schema import Category, Definition

log = logging.getLogger("livchatd")


@dataclass(frozen=True)
class App:
    """An app definition: what `x-livchat` says, and its Compose file without extensions.

    `files` holds the texts of `spec.files` by name.
    """

    spec: Definition
    compose: dict[str, Any]
    files: dict[str, str]

    @property
    def id(self) -> str:
        """The name by which it is deployed."""
        return self.spec.id

    @property
    def title(self) -> str:
        """What a person reads."""
        return self.spec.title

    @property
    def version(self) -> str:
        """The tag of its main image."""
        return self.spec.version

    @property
    def category(self) -> Category:
        """Where it stands in the catalog."""
        return self.spec.category

    @property
    def needs(self) -> list[str]:
        """The capabilities that it needs, each once, in the order of the definition."""
        return list(dict.fromkeys(use.capability for use in self.spec.uses.values()))

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Its services, as the definition has them."""
        found: dict[str, dict[str, Any]] = self.compose["services"]
        return found


class Catalog:
    """All app definitions of a folder, and of the user's `own`, which may replace them.

    The first question reads them all, some 50 ms of CPU: ask it in a thread
    (`await asyncio.to_thread(catalog.apps)`).
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        self._folder = folder
        self._own = own
        self._broken: dict[str, Invalid] = {}

    @classmethod
    def load(cls, own: Path | None = None) -> Catalog:
        """The catalog that comes with LivChat, with what is in `own`. Reads nothing yet."""
        return cls(Path(str(resources.files("livchatd.catalog"))) / "apps", own)

    def apps(self) -> list[App]:
        """The apps that a person may deploy, by id."""
        return [app for app in self._all.values() if app.category is not Category.INFRASTRUCTURE]

    def app(self, name: str) -> App:
        """An app, infrastructure too. `NotFound` with the names that come close.

        `Invalid` for one of the user's own that breaks a rule.
        """
        found = self._all.get(name)
        if name in self._broken:
            raise self._broken[name]
        if found is None:
            close = get_close_matches(name, [app.id for app in self.apps()], n=3)
            ask = f", did you mean {' or '.join(close)}" if close else ""
            raise NotFound(
                f"there is no app '{name}' in the catalog{ask}",
                hint="livchat app catalog",
                details={"app": name, "close": close},
            )
        return found

    def title(self, name: str) -> str:
        """What a person reads for an app, which the catalog may have no longer."""
        return self._all[name].title if name in self._all else name

    def providers(self, capability: str) -> list[App]:
        """The apps that offer a capability; one that is named like it comes first."""
        found = [
            app
            for app in self._all.values()
            if any(offer.capability == capability for offer in app.spec.provides)
        ]
        return sorted(found, key=lambda app: (app.id != capability, app.id))

    def wire(self, app: App) -> CatalogApp:
        """The app as it travels; `depends_on` names apps."""
        spec = app.spec
        return CatalogApp(
            name=spec.id,
            title=spec.title,
            version=spec.version,
            category=spec.category.value,
            description=spec.tagline.en,
            depends_on=[offer.id for need in app.needs for offer in self.providers(need)[:1]],
            ram_mb=spec.requires.ram_mb,
            params={
                name: param.model_dump(mode="json", exclude_defaults=True, by_alias=True)
                for name, param in spec.params.items()
            },
            routes=[route.prefix for route in spec.routes.values() if route.prefix],
            license=spec.license,
            status=spec.status,
            notes=spec.notes.en if spec.notes else None,
        )

    @cached_property
    def _all(self) -> dict[str, App]:
        found = {
            place.parent.name: read_app(place) for place in sorted(self._folder.glob("*/app.yaml"))
        }
        for place in sorted(self._own.glob("*/app.yaml")) if self._own else ():
            name = place.parent.name
            try:
                found[name] = _own_app(place, found.get(name))
            except Invalid as error:
                # One mistake in a file must not take the other apps away.
                log.warning("%s", error)
                error.hint = f"mend {place}, then: livchat daemon restart"
                self._broken[name] = error
        return found


def read_app(place: Path) -> App:
    """The app of one `<id>/app.yaml`, checked. `Invalid` names the file and the key."""
    import yaml  # noqa: PLC0415 - not at the daemon's start

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    where = f"{place.parent.name}/app.yaml"
    try:
        document = yaml.load(place.read_text("utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise Invalid(f"{where}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not isinstance(document.get("x-livchat"), dict):
        raise Invalid(f"{where}: x-livchat is needed at the root")
    try:
        spec = parse(Definition, document["x-livchat"])
    except Invalid as error:
        raise Invalid(f"{where}: x-livchat.{error.message}", details=error.details) from None
    compose = {key: value for key, value in document.items() if not str(key).startswith("x-")}
    app = App(spec=spec, compose=compose, files=_files(spec, place, where))
    lint(spec, compose, app.files, where, place.parent.name)
    return app


def _own_app(place: Path, shipped: App | None) -> App:
    """One of the user's own, perhaps in place of one that comes with LivChat."""
    app = read_app(place)
    if Category.INFRASTRUCTURE in {app.category, (shipped or app).category}:
        raise Invalid(f"{app.id}/app.yaml: x-livchat.category: comes with LivChat only")
    return app


def _files(spec: Definition, place: Path, where: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, file in spec.files.items():
        if file.content is not None:
            texts[name] = file.content
            continue
        source = place.parent / str(file.source)
        if not source.is_file():
            raise Invalid(f"{where}: x-livchat.files.{name}: there is no {file.source}")
        texts[name] = source.read_text("utf-8")
    return texts
