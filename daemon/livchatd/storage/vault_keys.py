"""The vault's key layout: under which name each kind of secret is kept."""

from __future__ import annotations

PROVIDER_PREFIX = "provider/"
CLOUDFLARE_PREFIX = "cloudflare/"
CERTIFICATES_PREFIX = "certificates/"

CLOUDFLARE_TOKEN = f"{CLOUDFLARE_PREFIX}api_token"
CLOUDFLARE_EMAIL = f"{CLOUDFLARE_PREFIX}email"
CLOUDFLARE_GLOBAL_KEY = f"{CLOUDFLARE_PREFIX}api_key"
"""The old kind of key, which goes with the e-mail."""

_APP_VALUES = "param/"


def provider_token(provider: str) -> str:
    """Return the key of the token of a cloud provider."""
    return f"{PROVIDER_PREFIX}{provider}"


def certificate_token(zone: str) -> str:
    """Return the key of the token by which a zone's servers pass the DNS challenge."""
    return f"{CERTIFICATES_PREFIX}{zone}"


def ssh_prefix(server: str) -> str:
    """Return how the keys of a server's SSH keys begin."""
    return f"ssh/{server}/"


def ssh_client_key(server: str) -> str:
    """Return the key of the private key that logs in at a server."""
    return f"{ssh_prefix(server)}private"


def ssh_host_key(server: str) -> str:
    """Return the key of the private host key that a server is created with."""
    return f"{ssh_prefix(server)}host"


def portainer_password(server: str) -> str:
    """Return the key of the password of a server's Portainer."""
    return f"portainer/{server}"


def app_prefix(server: str, app: str | None = None) -> str:
    """Return how the keys of a server's app begin; without an app, of all its apps."""
    return f"app/{server}/{app}/" if app is not None else f"app/{server}/"


def app_secret(server: str, app: str, name: str) -> str:
    """Return the key of a secret that was generated for an app."""
    return f"{app_prefix(server, app)}{name}"


def app_value(server: str, app: str, parameter: str) -> str:
    """Return the key of a secret value that a person gave for an app's parameter."""
    return f"{app_prefix(server, app)}{_APP_VALUES}{parameter}"


def parse_app_value(server: str, key: str) -> tuple[str, str] | None:
    """Return the app and the parameter of an `app_value` key of this server, or None."""
    app, _, rest = key.removeprefix(app_prefix(server)).partition("/")
    if not key.startswith(app_prefix(server)) or not rest.startswith(_APP_VALUES):
        return None
    return app, rest.removeprefix(_APP_VALUES)
