"""The signed reference to a call, in every URL and every stream parameter that we hand out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets


def new_call_id() -> str:
    """A random id for a call: 128 bits, safe in URLs."""
    return "call_" + secrets.token_hex(16)


def sign(call_id: str, key: bytes) -> str:
    """The reference that only a holder of `key` can make for `call_id`."""
    digest = hmac.digest(key, call_id.encode(), hashlib.sha256)[:16]
    return f"{call_id}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def verified(callref: str, key: bytes) -> str | None:
    """The id of the call that `callref` was signed for; None when it was not. Constant time."""
    call_id, dot, _ = callref.partition(".")
    if not dot:
        return None
    genuine = hmac.compare_digest(sign(call_id, key).encode(), callref.encode(errors="replace"))
    return call_id if genuine else None
