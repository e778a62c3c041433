"""DKIM: sign and verify mail (RFC 6376, RFC 8301, RFC 8463).

Messages in memory::

    fields = dkim.sign(message, keys, now=now)
    results = await dkim.verify(message, resolver, now=now)

Messages that arrive in chunks::

    prepared = dkim.prepare(header)
    body = dkim.BodyHashes(prepared.wanted | signer.wanted)
    body.feed(chunk)  # again and again
    results = await prepared.conclude(body, resolver, now=now)
    fields = signer.sign(header, body, now=now)
"""

from __future__ import annotations

from pillarbox.mailauth.dkim.body import BodyHash, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import Canonicalization
from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.dkim.private_key import (
    make_private_key,
    read_private_key,
    write_private_key,
)
from pillarbox.mailauth.dkim.report import SignatureResult
from pillarbox.mailauth.dkim.signing import SignatureForm, Signer, SigningKey, sign
from pillarbox.mailauth.dkim.verification import PreparedVerification, prepare, verify

__all__ = [
    "BodyHash",
    "BodyHashes",
    "Canonicalization",
    "PreparedVerification",
    "Result",
    "SignatureForm",
    "SignatureResult",
    "Signer",
    "SigningKey",
    "Unverifiable",
    "make_private_key",
    "prepare",
    "read_private_key",
    "sign",
    "verify",
    "write_private_key",
]
