"""Another installation in the same project or DNS account, named where it is in the way."""

from __future__ import annotations

from livchat.errors import Conflict
from livchatd.installation import HOME, MANAGED, SERVER, Home, read_comment
from livchatd.steps.deps import Tools


async def named(tools: Tools, provider: str, server: str, taken: Conflict) -> Conflict:
    """The conflict over a name at the provider, saying which installation has it, if one has."""
    anybodys = {MANAGED: "true", SERVER: server}
    cloud = tools.provider(provider)
    for found in (await cloud.find_machine(anybodys), await cloud.find_address(anybodys)):
        home = found.labels.get(HOME, "") if found is not None else tools.home.id
        if home != tools.home.id:
            return Conflict(
                f"{provider} has a server '{server}' of another installation of LivChat"
                f" ({home or 'an older version'})",
                hint="choose another name; what others have there: livchat doctor",
                details={"server": server, "home": home},
            )
    return taken


def of_another(home: Home, taken: Conflict) -> Conflict:
    """The conflict over a record, saying which installation made it, if one did."""
    said = read_comment(taken.details.get("comment"))
    if said is None or said.home == home.id:
        return taken
    whose = said.home or "an older version"
    return Conflict(
        f"{taken.details['name']} points at {said.app} on '{said.server}' of another installation"
        f" of LivChat ({whose})",
        hint="choose another subdomain; what others have there: livchat doctor",
        details={**taken.details, "home": said.home},
    )
