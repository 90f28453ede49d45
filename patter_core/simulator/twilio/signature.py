"""How Twilio signs what it sends, by our own sums."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def signature(url: str, form: Mapping[str, str], auth_token: str) -> str:
    """The X-Twilio-Signature of a form sent to `url`, which is as the receiver wrote it.

    A GET and a socket's upgrade have no form.
    """
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.digest(auth_token.encode(), signed.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()
