"""Hetzner's API: SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.http import (
    bad_field,
    body,
    in_order,
    missing,
    named,
    page,
    reply,
    set_labels,
    taken,
    text,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import SshKey

SORTS = {"id": "id", "name": "name", "created": "created"}
KINDS = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-", "sk-ssh-ed25519", "sk-ecdsa-sha2-", "ssh-dss")


class KeyRoutes:
    """SSH keys: list, create, show, change, delete."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        one = r"/v1/ssh_keys/{id:\d+}"
        return [
            web.get("/v1/ssh_keys", self.index),
            web.post("/v1/ssh_keys", self.create),
            web.get(one, self.show),
            web.put(one, self.update),
            web.delete(one, self.delete),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """Keys by name, label or fingerprint."""
        wanted = request.query.get("fingerprint")
        keys = named(request, self._world.state.ssh_keys.values())
        keys = [key for key in keys if wanted is None or key.fingerprint == wanted]
        return page(request, "ssh_keys", in_order(request, keys, SORTS), self._views.key)

    async def create(self, request: web.Request) -> web.Response:
        """Add a key; neither its name nor the key itself may be there yet."""
        data = await body(request)
        name, public_key = text(data, "name"), text(data, "public_key").strip()
        self._check_name(name)
        mark = fingerprint(public_key)
        if any(key.fingerprint == mark for key in self._world.state.ssh_keys.values()):
            raise taken("SSH key with the same fingerprint already exists", "public_key")
        now = self._world.clock.now()
        key = SshKey(self._world.new_id(), name, public_key, mark, set_labels(data), now)
        self._world.state.ssh_keys[key.id] = key
        self._world.changed()
        return reply({"ssh_key": self._views.key(key)}, 201)

    async def show(self, request: web.Request) -> web.Response:
        """One key."""
        return reply({"ssh_key": self._views.key(self._key(request))})

    async def update(self, request: web.Request) -> web.Response:
        """Change a key's name or labels."""
        key, data = self._key(request), await body(request)
        if "name" in data and data["name"] != key.name:
            self._check_name(text(data, "name"))
            key.name = data["name"]
        if "labels" in data:
            key.labels = set_labels(data)
        self._world.changed()
        return reply({"ssh_key": self._views.key(key)})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a key; servers that were made with it keep it."""
        del self._world.state.ssh_keys[self._key(request).id]
        self._world.changed()
        return web.Response(status=204)

    def _key(self, request: web.Request) -> SshKey:
        number = request.match_info["id"]
        key = self._world.state.ssh_keys.get(int(number))
        if key is None:
            raise missing("ssh_key", number)
        return key

    def _check_name(self, name: str) -> None:
        if any(key.name == name for key in self._world.state.ssh_keys.values()):
            raise taken("SSH key with the same name already exists", "name")


def fingerprint(public_key: str) -> str:
    """MD5 of a public key line in the colon form; 422 if it is none."""
    kind, _, rest = public_key.partition(" ")
    encoded = rest.split(" ")[0]
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    # An OpenSSH key begins with its own kind, after four bytes of length.
    if not kind.startswith(KINDS) or not raw[4:].startswith(kind.encode()):
        raise bad_field("public_key", "invalid key format")
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, 32, 2))
