"""The parameters of each workflow: what a job was asked to do, with every choice made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from livchat.wire.doctor import Mending
from livchat.wire.servers import Challenge
from livchatd.providers.base import INSTALLATION, MANAGED, SERVER, Owner, ResourceKind
from livchatd.providers.offer import Offer
from livchatd.steps.site import Site, SiteSettings


class JobParams(BaseModel):
    """Parameters of a job: frozen, and without secrets, since they are shown as its `params`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class CreateServerParams(Offer, JobParams):
    """A machine to be bought: the offer that was chosen from what the provider has.

    `sold_out` are the offers that were asked for before it. `fallback` are bought instead, in
    order, if the provider refuses this one.
    """

    name: str
    provider: str
    sold_out: list[Offer] = []
    fallback: list[Offer] = []


class AddServerParams(JobParams):
    """A machine of the user's own.

    `host_key` is an OpenSSH public key line or a fingerprint. `public_key` is the line of a key of
    ours that the user has yet to let in; None where the user gave a key that is.
    """

    name: str
    provider: str = "own"
    host: str
    ip_address: str
    port: int
    user: str
    host_key: str | None = None
    public_key: str | None = None


class SetupServerParams(SiteSettings, JobParams):
    """A server to be set up.

    `open_ports` stay open beside those of SSH and the web, each as `8080/tcp`; `challenge` is what
    `challenge_asked` came to.
    """

    name: str
    provider: str
    open_ports: list[str] = []
    challenge_asked: Challenge = Challenge.AUTO

    @property
    def site(self) -> Site:
        """The site that the server has once it is set up."""
        settings = self.model_dump(include=set(SiteSettings.model_fields))
        return Site(server=self.name, provider=self.provider, **settings)


class AppParams(JobParams):
    """An app to be deployed. `hosts` are by route; `needs` are the apps that it is bound to."""

    app_name: str
    title: str
    config: dict[str, str | int | float | bool] = {}
    hosts: dict[str, str] = {}
    needs: list[str] = []

    @property
    def host_names(self) -> tuple[str, ...]:
        """Its hosts, each once: routes may share one."""
        return tuple(dict.fromkeys(self.hosts.values()))


class DeployAppParams(Site, JobParams):
    """Apps to be deployed on a server, each after those that it needs; the last was asked for."""

    apps: list[AppParams]


class UpParams(JobParams):
    """A server to be created or found, set up, and given apps."""

    server: CreateServerParams
    setup: SetupServerParams
    apps: list[AppParams]


class DeleteServerParams(JobParams):
    """A server to be deleted, with all that was made for it."""

    name: str
    provider: str


class DeleteAppParams(JobParams):
    """An app to be deleted; `purge` deletes its volumes and databases too."""

    server: str
    provider: str
    app_name: str
    title: str
    purge: bool = False


class ResourceRepair(JobParams):
    """A machine, address or SSH key to be deleted, if it still has this owner.

    `labels` is the owner as it is stored, by the names of its labels at Hetzner.
    """

    finding: str
    provider: str
    kind: ResourceKind
    thing_id: str
    labels: dict[str, str]

    @property
    def owner(self) -> Owner:
        """Whose the resource must be, whichever job bought it."""
        return Owner(self.labels.get(INSTALLATION), self.labels.get(SERVER))

    @staticmethod
    def owner_as_labels(owner: Owner) -> dict[str, str]:
        """Return an owner as `labels` has it: without the job."""
        fields = {INSTALLATION: owner.installation_id, SERVER: owner.server}
        known = {key: value for key, value in fields.items() if value is not None}
        return {MANAGED: "true", **known}


class RecordRepair(JobParams):
    """A DNS record to be deleted or pointed at its server, if it still has this comment."""

    finding: str
    account: str
    zone_id: str
    record_id: str
    name: str
    comment: str
    mend: Mending


class RepairParams(JobParams):
    """What the doctor found and a person wants repaired."""

    things: list[ResourceRepair] = []
    records: list[RecordRepair] = []
