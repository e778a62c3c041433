"""Seals a message: adds an ARC set that states our results (RFC 8617 §5.1).

A ``Sealer`` is created once and used for many messages, from any thread. It signs the message as it
leaves us, so the next server can verify it even if we changed it; the server only has to trust our
results.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from pillarbox.mailauth.arc.scope import SetLines, seal_digests
from pillarbox.mailauth.arc.sets import MAX_SETS
from pillarbox.mailauth.arc.validation import Chain, ChainStatus
from pillarbox.mailauth.authres import AuthenticationResults, arc_authentication_results
from pillarbox.mailauth.dkim.algorithm import sign_digest
from pillarbox.mailauth.dkim.body import BodyHash, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import Canonicalization, canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields
from pillarbox.mailauth.dkim.signing import SigningKey, signed_names
from pillarbox.message.header import Header

__all__ = ["Sealer"]

_WAY: Final = Canonicalization.RELAXED
_BODY: Final = BodyHash(_WAY)
_LINE: Final = 72  # characters in a folded line
_DKIM: Final = b"dkim-signature"


class Sealer:
    """Seals with one key; safe to use from several threads at once."""

    __slots__ = ("_key", "wanted")

    def __init__(self, key: SigningKey) -> None:
        """Seal on behalf of the key's domain."""
        self._key = key
        self.wanted = frozenset({_BODY})  # for `BodyHashes`

    def seal(
        self,
        header: Header,
        body: BodyHashes,
        *,
        chain: Chain,
        said: AuthenticationResults,
        now: float,
        is_utf8: bool = False,
    ) -> bytes:
        """Return the three fields of a new set, each with its CRLF, to go on top.

        Nothing is returned for a chain that cannot be extended: one that has 50 sets, was already
        marked as failed, is malformed, or could not be validated because DNS failed. The next
        handler judges for itself, and a set of ours would add nothing.

        Args:
            header: The header as it will be sent, including the sets that it arrived with.
            body: What was fed with the whole body; it has at least the hashes ``wanted``.
            chain: The validation result of the chain that the message arrived with.
            said: Our results, with our authserv-id.
            now: Seconds since 1970.
            is_utf8: Whether the message may have UTF-8 in its header.

        Raises:
            PermanentError: The key cannot sign.
        """
        instance = len(chain.sets) + 1
        if instance > MAX_SETS or _is_over(chain):
            return b""
        results = arc_authentication_results(said, instance, is_utf8=is_utf8)
        signature = self._signature(header, body, instance, int(now))
        seal = self._seal_line(instance, chain.status.value, int(now))
        new = SetLines(results, signature, seal)
        # A seal that says cv=fail covers nothing but its own set (RFC 8617 §5.1.2).
        earlier = () if chain.status is ChainStatus.FAIL else chain.sets
        digest = seal_digests((*(one.lines for one in earlier), new))[-1]
        return self._signed(seal, digest) + signature + results

    def _signature(self, header: Header, body: BodyHashes, instance: int, now: int) -> bytes:
        names = signed_names(header) + [_DKIM] * header.count(_DKIM)
        key = self._key
        field = (
            f"ARC-Message-Signature: i={instance}; a={key.algorithm.value}; "
            f"c={_WAY.value}/{_WAY.value};\r\n"
            f"\td={key.domain}; s={key.selector}; t={now};\r\n"
            f"\th={_listed(names)};\r\n"
            f"\tbh={base64.b64encode(body.digest(_BODY)).decode()};\r\n"
            "\tb="
        ).encode("ascii")
        hashed = hashlib.sha256(HeaderFields(header).canonical(names, _WAY))
        hashed.update(canonical_field(field, _WAY).removesuffix(b"\r\n"))
        return self._signed(field, hashed.digest())

    def _seal_line(self, instance: int, validation: str, now: int) -> bytes:
        key = self._key
        return (
            f"ARC-Seal: i={instance}; a={key.algorithm.value}; cv={validation};\r\n"
            f"\td={key.domain}; s={key.selector}; t={now};\r\n"
            "\tb="
        ).encode("ascii")

    def _signed(self, field: bytes, digest: bytes) -> bytes:
        """Fill in the signature of a field whose b= is empty; return the field with its CRLF."""
        text = base64.b64encode(sign_digest(self._key.private_key, digest)).decode()
        lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
        return field + "\r\n\t ".join(lines).encode() + b"\r\n"


def _is_over(chain: Chain) -> bool:
    if chain.status is not ChainStatus.FAIL:
        return False
    return chain.is_temporary or not chain.sets or chain.sets[-1].validation == "fail"


def _listed(names: list[bytes]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name.decode('ascii')}:"
    return "\r\n\t ".join(lines)[:-1]
