"""Signatures of webhooks according to Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.

The three header fields are sent under two names, ``webhook-*`` and ``svix-*``, because libraries
that verify read one or the other. Secrets are ``whsec_`` and 24 to 64 octets in base64.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["SecretMalformed", "make_secret", "read_secret", "signed_fields"]

_PREFIX: Final = "whsec_"
_SIZES: Final = range(24, 65)
_MADE: Final = 32  # octets


class SecretMalformed(PermanentError):  # noqa: N818 - reads as what it says
    """A secret of webhooks cannot be used; the text does not show it."""


def make_secret() -> str:
    """Return a new secret, as people see it."""
    return _PREFIX + b64encode(secrets.token_bytes(_MADE)).decode()


def read_secret(text: str) -> bytes:
    """Return the key that a secret stands for.

    Raises:
        SecretMalformed: It is not ``whsec_`` and 24 to 64 octets in base64.
    """
    coded = text.removeprefix(_PREFIX)
    try:
        key = b64decode(coded, validate=True)
    except ValueError:
        key = b""
    if len(key) not in _SIZES:
        raise SecretMalformed(
            'A webhook secret is "whsec_" and 24 to 64 octets in base64; for these, use '
            "`openssl rand -base64 32`."
        )
    return key


def signed_fields(
    keys: Sequence[bytes], *, name: str, timestamp: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the header fields of a call.

    Args:
        keys: Each of them signs, so that a receiver can go from one to the next.
        name: Of the message; the same at each attempt.
        timestamp: Of this attempt, seconds since 1970.
        body: What is sent.
    """
    signed = f"{name}.{timestamp}.".encode() + body
    signatures = " ".join(
        "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys
    )
    values = {"id": name, "timestamp": str(timestamp), "signature": signatures}
    return tuple(
        (f"{prefix}-{key}", value)
        for prefix in ("webhook", "svix")
        for key, value in values.items()
    )
