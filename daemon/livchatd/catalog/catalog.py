"""The catalog: the app definitions that come with LivChat, and the user's own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from livchat.errors import InvalidRequest, NotFound
from livchat.wire.apps import CatalogApp
from livchat.wire.base import parse
from livchatd.catalog.lint import lint
from livchatd.catalog.schema import Category, Definition

log = logging.getLogger("livchatd")


@dataclass(frozen=True)
class App:
    """An app definition: its `x-livchat` as a model, and its Compose file without extensions.

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
        """The category under which the catalog lists it."""
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
    """All app definitions of a folder, and those in the folder `own`, which may replace them.

    The first call of a method reads all files, which takes some 50 ms of CPU: await `read` before.
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        self._folder = folder
        self._own = own
        self._broken: dict[str, InvalidRequest] = {}

    @classmethod
    def load(cls, own: Path | None = None) -> Catalog:
        """Return the catalog that comes with LivChat and the apps in `own`; no file is read yet."""
        return cls(Path(str(resources.files("livchatd.catalog"))) / "apps", own)

    async def read(self) -> None:
        """Read all definitions in a thread, if that has not been done yet."""
        if "_definitions" not in vars(self):
            await asyncio.to_thread(self.apps)

    def apps(self) -> list[App]:
        """Return the apps that a person may deploy, by id: all but Traefik and Portainer."""
        return [
            app for app in self._definitions.values() if app.category is not Category.INFRASTRUCTURE
        ]

    def app(self, name: str) -> App:
        """Return an app by its id, infrastructure included.

        Raises `NotFound` with similar names, and `InvalidRequest` for an app of the user's own
        whose definition breaks a rule.
        """
        found = self._definitions.get(name)
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
        """Return an app's title, or its id if the catalog does not have it any more."""
        return self._definitions[name].title if name in self._definitions else name

    def apps_offering(self, capability: str) -> list[App]:
        """Return the apps that offer a capability; an app named like it comes first."""
        found = [
            app
            for app in self._definitions.values()
            if any(offer.capability == capability for offer in app.spec.provides)
        ]
        return sorted(found, key=lambda app: (app.id != capability, app.id))

    def wire(self, app: App) -> CatalogApp:
        """Return the app as the API shows it; `depends_on` names apps."""
        spec = app.spec
        return CatalogApp(
            name=spec.id,
            title=spec.title,
            version=spec.version,
            category=spec.category.value,
            description=spec.tagline.en,
            depends_on=[offer.id for need in app.needs for offer in self.apps_offering(need)[:1]],
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
    def _definitions(self) -> dict[str, App]:
        found = {
            path.parent.name: read_app(path) for path in sorted(self._folder.glob("*/app.yaml"))
        }
        for path in sorted(self._own.glob("*/app.yaml")) if self._own else ():
            name = path.parent.name
            try:
                found[name] = _own_app(path, found.get(name))
            except InvalidRequest as error:
                # A mistake in one file must not hide the other apps.
                log.warning("%s", error)
                error.hint = f"mend {path}, then: livchat daemon restart"
                self._broken[name] = error
        return found


def read_app(path: Path) -> App:
    """Return the app of one `<id>/app.yaml`, checked by the schema and the lint rules.

    Raises `InvalidRequest`, which names the file and the key.
    """
    import yaml  # noqa: PLC0415 - not at the daemon's start

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    where = f"{path.parent.name}/app.yaml"
    try:
        document = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InvalidRequest(f"{where}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict) or not isinstance(document.get("x-livchat"), dict):
        raise InvalidRequest(f"{where}: x-livchat is needed at the root")
    try:
        spec = parse(Definition, document["x-livchat"])
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: x-livchat.{error.message}", details=error.details) from None
    compose = {key: value for key, value in document.items() if not str(key).startswith("x-")}
    app = App(spec=spec, compose=compose, files=_files(spec, path, where))
    lint(spec, compose, app.files, where, path.parent.name)
    return app


def _own_app(path: Path, shipped: App | None) -> App:
    """Return an app of the user's own, which may replace the one of its id that is `shipped`."""
    app = read_app(path)
    if Category.INFRASTRUCTURE in {app.category, (shipped or app).category}:
        raise InvalidRequest(f"{app.id}/app.yaml: x-livchat.category: comes with LivChat only")
    return app


def _files(spec: Definition, path: Path, where: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, file in spec.files.items():
        if file.content is not None:
            texts[name] = file.content
            continue
        source = path.parent / str(file.source)
        if not source.is_file():
            raise InvalidRequest(f"{where}: x-livchat.files.{name}: there is no {file.source}")
        texts[name] = source.read_text("utf-8")
    return texts
