"""Hetzner's API: SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib

from aiohttp import web

from livchat_sandbox.cloud.world import World
from livchat_sandbox.hetzner.collection import ssh_key_collection
from livchat_sandbox.hetzner.http import (
    invalid_field,
    json_response,
    labels_field,
    not_unique,
    read_body,
    text_field,
)
from livchat_sandbox.hetzner.views import Views
from livchat_sandbox.storage.state import SshKey

KEY_TYPES = (
    "ssh-rsa",
    "ssh-ed25519",
    "ecdsa-sha2-",
    "sk-ssh-ed25519",
    "sk-ecdsa-sha2-",
    "ssh-dss",
)
"""How the type of a public key may begin."""


class SshKeyRoutes:
    """The routes of SSH keys: list, create, show, change, delete."""

    def __init__(self, world: World, views: Views) -> None:
        self._world = world
        self._views = views
        self._keys = ssh_key_collection(world.state)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of SSH keys."""
        one = r"/v1/ssh_keys/{id:\d+}"
        return [
            web.get("/v1/ssh_keys", self.index),
            web.post("/v1/ssh_keys", self.create),
            web.get(one, self.show),
            web.put(one, self.update),
            web.delete(one, self.delete),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """List keys by name, label or fingerprint."""
        wanted = request.query.get("fingerprint")
        return self._keys.page(
            request,
            self._views.ssh_key,
            lambda key: wanted is None or key.fingerprint == wanted,
        )

    async def create(self, request: web.Request) -> web.Response:
        """Add a key; neither its name nor the key itself may be there already."""
        data = await read_body(request)
        name, public_key = text_field(data, "name"), text_field(data, "public_key").strip()
        self._keys.check_name(name)
        md5 = fingerprint(public_key)
        if any(key.fingerprint == md5 for key in self._keys.rows.values()):
            raise not_unique("SSH key with the same fingerprint already exists", "public_key")
        key = SshKey(
            id=self._world.state.new_id(),
            name=name,
            public_key=public_key,
            fingerprint=md5,
            labels=labels_field(data),
            created=self._world.clock.now(),
        )
        self._keys.rows[key.id] = key
        self._world.mark_dirty()
        return json_response({"ssh_key": self._views.ssh_key(key)}, 201)

    async def show(self, request: web.Request) -> web.Response:
        """Show one key."""
        return json_response({"ssh_key": self._views.ssh_key(self._keys.get(request))})

    async def update(self, request: web.Request) -> web.Response:
        """Change a key's name or labels."""
        key = self._keys.get(request)
        self._keys.rename_and_label(key, await read_body(request))
        self._world.mark_dirty()
        return json_response({"ssh_key": self._views.ssh_key(key)})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a key; servers that were created with it keep it."""
        del self._keys.rows[self._keys.get(request).id]
        self._world.mark_dirty()
        return web.Response(status=204)


def fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint of a public key line in the colon form; raise a 422 if it is none.

    The blob of an OpenSSH key begins with the key's type, after four bytes of length.
    """
    key_type, _, rest = public_key.partition(" ")
    encoded = rest.split(" ")[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not key_type.startswith(KEY_TYPES) or not blob[4:].startswith(key_type.encode()):
        raise invalid_field("public_key", "invalid key format")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, 32, 2))
