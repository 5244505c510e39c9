"""The format of app definitions: `x-livchat`, schema 1, as strict models."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""The name of a parameter, secret, route, volume or alias; upper-cased it is a variable."""
Service = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Prefix = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$")]
Path = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]*$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Scalar = str | int | float | bool


class Part(BaseModel):
    """A part of a definition: frozen; an unknown key is an error."""

    # Built at the first use, so that the daemon's start does not wait for it.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class LocalizedText(Part):
    """A text in both languages."""

    pt_br: str = Field(alias="pt-BR")
    en: str


class Category(StrEnum):
    """The category under which the catalog lists an app."""

    INFRASTRUCTURE = "infrastructure"
    DATABASE = "database"
    STORAGE = "storage"
    AUTOMATION = "automation"
    AI = "ai"
    COMMUNICATION = "communication"
    CMS = "cms"
    PRODUCTIVITY = "productivity"
    ANALYTICS = "analytics"
    MONITORING = "monitoring"
    SECURITY = "security"


class Requires(Part):
    """What an app requires of its server."""

    ram_mb: int = Field(ge=1)
    disk_gb: int = Field(1, ge=0)
    cpu_flags: list[str] = []
    smtp: Literal["none", "optional", "required"] = "none"


class Use(Part):
    """A capability that the app needs; exports `${ALIAS_HOST}`, `_PORT`, `_NAME` and so on."""

    capability: Key
    min: str | None = None
    extensions: list[str] = []
    policy: Literal["noeviction", "allkeys-lru"] | None = None


class Provides(Part):
    """A capability that the app offers to others: where it listens, and who its superuser is."""

    capability: Key
    version: str
    service: Service
    port: Port
    user: str | None = None
    password_secret: Key
    extensions: list[str] = []


class ParamType(StrEnum):
    """The type of a parameter's value."""

    STRING = "string"
    INT = "int"
    BOOL = "bool"
    ENUM = "enum"
    EMAIL = "email"
    HOST = "host"
    URL = "url"
    TZ = "tz"
    LOCALE = "locale"


class Param(Part):
    """A parameter: without a given value it is `default`, what `default_from` names, or unset."""

    type: ParamType = ParamType.STRING
    label: LocalizedText
    default: Scalar | None = None
    default_from: Literal["email", "timezone", "domain"] | None = None
    required: bool = False
    secret: bool = False
    options: list[str] = []
    pattern: str | None = None
    min: int | None = None
    max: int | None = None

    @model_validator(mode="after")
    def _whole(self) -> Param:
        if (self.type is ParamType.ENUM) != bool(self.options):
            raise ValueError("options belong to an enum, and an enum has options")
        if self.default is not None and self.default_from:
            raise ValueError("give default or default_from, not both")
        return self


class Generator(StrEnum):
    """How a secret is generated."""

    HEX = "hex"
    ALNUM = "alnum"
    BASE64 = "base64"
    BASE64URL = "base64url"
    UUID = "uuid"
    PASSWORD = "password"  # noqa: S105 - the name of a generator
    BCRYPT = "bcrypt"
    ARGON2ID = "argon2id"
    HTPASSWD = "htpasswd"


DERIVED = frozenset({Generator.BCRYPT, Generator.ARGON2ID, Generator.HTPASSWD})
"""The generators that hash another secret."""


class Secret(Part):
    """A value that is generated once and kept.

    `bytes` or `length` is its size; a hash is `of` another secret. `file` makes it a Docker secret
    at /run/secrets/NAME; `symbol` puts one `-` into a password, for apps that demand a symbol.
    """

    generate: Generator
    bytes: int = Field(32, ge=16, le=128)
    length: int = Field(32, ge=16, le=128)
    of: Key | None = None
    user: str | None = None
    symbol: bool = False
    immutable: bool = False
    show: bool = False
    file: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Secret:
        if (self.generate in DERIVED) != (self.of is not None):
            raise ValueError("a hash needs 'of', and nothing else has it")
        if (self.generate is Generator.HTPASSWD) != (self.user is not None):
            raise ValueError("htpasswd needs 'user', and nothing else has it")
        return self


class Route(Part):
    """A public name of the app, over HTTPS; exports `${ROUTE_HOST}` and `${ROUTE_URL}`."""

    service: Service
    port: Port
    prefix: Prefix | None = None
    host_of: Key | None = None
    paths: list[Path] = []
    scheme: Literal["http", "https", "h2c"] = "http"

    @model_validator(mode="after")
    def _one_host(self) -> Route:
        if (self.prefix is None) == (self.host_of is None):
            raise ValueError("give either prefix or host_of")
        return self


class VolumeClass(StrEnum):
    """The kind of data in a volume, which decides how it is backed up."""

    DATA = "data"
    UPLOADS = "uploads"
    CONFIG = "config"
    KEYS = "keys"
    CACHE = "cache"
    LOGS = "logs"


class Volume(Part):
    """A named volume. `backup: dump`: a dump is kept in place of a copy of its files."""

    kind: VolumeClass = Field(alias="class")
    owner: str | None = None
    backup: bool | Literal["dump"] = True


class File(Part):
    """A file in services, mounted as a Docker secret; from the app's `files/` folder or inline."""

    source: str | None = Field(None, pattern=r"^files/[A-Za-z0-9._-]+$")
    content: str | None = None
    target: str = Field(pattern=r"^/[A-Za-z0-9._/-]+$")
    services: list[Service] = Field(min_length=1)
    mode: int = 0o444

    @model_validator(mode="after")
    def _one_source(self) -> File:
        if (self.source is None) == (self.content is None):
            raise ValueError("give either source or content")
        return self


class Job(Part):
    """A task that runs once, as a Swarm job in a wave of its own.

    It takes image, environment, volumes and networks from the service that it is `like`. It runs
    before the services in `before`, or after those in `after`. No route is public until every job
    has ended.
    """

    name: Service
    phase: list[Literal["install", "update"]] = Field(min_length=1)
    like: Service
    image: str | None = None
    command: list[str] = Field(min_length=1)
    user: str | None = None
    environment: dict[str, str] = {}
    before: list[Service] = []
    after: list[Service] = []
    timeout: int = Field(600, ge=1)
    retries: int = Field(3, ge=0)
    idempotent: Literal[True]

    @model_validator(mode="after")
    def _one_place(self) -> Job:
        if bool(self.before) == bool(self.after):
            raise ValueError("give either before or after")
        return self


class Check(Part):
    """A request to a route, and the status that its response must have."""

    route: Key
    path: Path = "/"
    status: int = Field(200, ge=100, le=599)


class Ready(Part):
    """When an app is ready: all checks must pass within `timeout` seconds."""

    timeout: int = Field(ge=1)
    checks: list[Check] = []


class Admin(Part):
    """How the first administrator is made.

    With `claim_risk`, whoever opens the page first becomes the administrator, so `protect` must
    say what prevents it: `gate` is a password that Traefik asks for until the app is deployed with
    `open=true`; `job` is a job that makes the administrator before any route is public.
    """

    method: Literal["env", "job", "ui", "default", "none"]
    claim_risk: bool = False
    protect: Literal["gate", "job"] | None = None
    user: str | None = None
    password_secret: Key | None = None
    note: LocalizedText | None = None


class Dump(Part):
    """A dump: of a database that the app uses, or by a command in a service."""

    uses: Key | None = None
    service: Service | None = None
    exec: list[str] = []
    file: str | None = None


class Backup(Part):
    """What a backup of the app must contain."""

    dumps: list[Dump] = []
    volumes: list[Key] = []
    quiesce: Literal["none", "pause", "scale0"] = "none"


class Waypoint(Part):
    """A version that an update must not skip: from versions before `below` it goes by `via`."""

    below: str
    via: str


class Update(Part):
    """How an app is updated: what migrates its data, and what a rollback needs."""

    migrations: Literal["on_start", "job", "none"]
    rollback: Literal["image", "restore", "none"]
    max_skip: Literal["major", "minor", "none"] = "major"
    waypoints: list[Waypoint] = []
    tracks: dict[str, Literal["stable", "opt-in", "blocked"]] = {}
    notes: list[str] = []


class Definition(Part):
    """The root `x-livchat` of an app.yaml."""

    format: Literal[1] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,29}$")
    title: str = Field(min_length=1)
    category: Category
    tagline: LocalizedText
    version: str = Field(min_length=1)
    license: str = Field(min_length=1)
    status: Literal["ok", "frozen", "restricted", "legacy"] = "ok"
    arch: list[Literal["amd64", "arm64"]] = Field(min_length=1)
    links: dict[Literal["website", "docs", "source", "releases"], str] = {}
    instances: Literal["single", "multiple"]
    requires: Requires
    uses: dict[Key, Use] = {}
    provides: list[Provides] = []
    params: dict[Key, Param] = {}
    secrets: dict[Key, Secret] = {}
    routes: dict[Key, Route] = {}
    volumes: dict[Key, Volume] = {}
    files: dict[Key, File] = {}
    start_order: list[Service] = []
    jobs: list[Job] = []
    ready: Ready
    admin: Admin
    backup: Backup = Backup()
    update: Update
    notes: LocalizedText | None = None


class ServiceHints(Part):
    """The `x-livchat` of one service: which networks it joins, and how it is updated."""

    networks: list[Literal["default", "data", "edge"]] | None = None
    order: Literal["start-first", "stop-first"] | None = None
