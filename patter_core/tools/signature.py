"""What proves to a webhook that a request is ours: made here, and checked by the receiver."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of `X-Patter-Signature`: `t=<Unix seconds>,v1=<hex>`.

    The hex digits are the HMAC-SHA256 of `<Unix seconds>.<body>` with the secret as key.
    """
    signed = str(timestamp).encode() + b"." + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def verify_signature(
    secret: str, header: str, body: bytes, *, now: datetime, tolerance_sec: float = 300.0
) -> bool:
    """Whether a request with this `X-Patter-Signature` came from us, lately: for the receiver.

    Args:
        secret: The tool's `webhook_secret`.
        header: The header's value.
        body: The body as it arrived, before anything parses it.
        now: An aware time.
        tolerance_sec: How old, or how early, it may be.
    """
    match = re.fullmatch(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", header)
    if match is None or abs(now.timestamp() - int(match[1])) > tolerance_sec:
        return False
    return hmac.compare_digest(signature(secret, int(match[1]), body), header)
