"""The tokens with which Portainer's administrator is logged in: JSON Web Tokens (HS256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets

SESSION_SECONDS = 8 * 3600


def create_jwt(key: str, now: float) -> str:
    """Return a token for the administrator, good for 8 hours from a moment on."""
    header = _encode(b'{"alg":"HS256","typ":"JWT"}')
    claims = {
        "id": 1,
        "username": "admin",
        "role": 1,
        "iat": int(now),
        "exp": now + SESSION_SECONDS,
        "jti": secrets.token_hex(4),
    }
    text = f"{header}.{_encode(json.dumps(claims).encode())}"
    return f"{text}.{_signature(key, text)}"


def is_valid_jwt(token: str, key: str, now: float) -> bool:
    """Whether a token was signed with a key and is still good."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, text).encode()):
        return False
    claims = text.partition(".")[2]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return float(decoded["exp"]) > now


def _signature(key: str, text: str) -> str:
    return _encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256))


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
