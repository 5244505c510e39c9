"""A name conflict at a provider, explained by the other installation that is in the way."""

from __future__ import annotations

from livchat.errors import Conflict
from livchatd.installation import Installation
from livchatd.providers.base import Owner, Provider


async def name_conflict(
    provider: Provider, installation: Installation, server: str, error: Conflict
) -> Conflict:
    """Return the conflict that names the other installation with this server; else the same one."""
    anyone = Owner(None, server)
    found = [await provider.find_machine(anyone)]
    owners = [one.owner for one in found if one is not None]
    if provider.addresses is not None:
        address = await provider.addresses.find_address(anyone)
        owners += [address.owner] if address is not None else []
    for owner in owners:
        if owner is not None and owner.installation_id != installation.id:
            return Conflict(
                f"{provider.name} has a server '{server}' of another installation of LivChat"
                f" ({owner.installation_id or 'an older version'})",
                hint="choose another name; what others have there: livchat doctor",
                details={"server": server, "home": owner.installation_id or ""},
            )
    return error
