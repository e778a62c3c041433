"""Signs messages with one key or several (RFC 6376 §5).

A ``Signer`` is created once per domain and used for many messages, from any thread: it holds no
state of a message. The signed fields follow from the header, the body is hashed by ``BodyHashes``,
and the signature fields are made at the end. ``l=`` is never used: content appended to a signed
message must break the signature.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.mailauth.dkim.algorithm import Algorithm, PrivateKey, algorithm_of, sign_digest
from pillarbox.mailauth.dkim.body import BodyHash, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import Canonicalization, canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields
from pillarbox.message.header import Header, scan_header

__all__ = ["DEFAULT_FORM", "SignatureForm", "Signer", "SigningKey", "sign"]

# Signed once more than they occur, so that none can be added or replaced: readers see these fields,
# or they decide how the message is displayed (RFC 6376 §8.15).
_CLOSED: Final = (
    b"from",
    b"reply-to",
    b"subject",
    b"date",
    b"to",
    b"cc",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# The same, but only if present: a mailing list may add its own to a message without one.
_CLOSED_IF_PRESENT: Final = (b"sender", b"in-reply-to", b"references", b"tls-required")
# Signed as often as they occur (RFC 6376 §5.4.1, RFC 8058 §4): others may add theirs.
_OPEN: Final = (
    b"content-id",
    b"content-description",
    b"resent-date",
    b"resent-from",
    b"resent-sender",
    b"resent-to",
    b"resent-cc",
    b"resent-message-id",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"autocrypt",
)
_LINE: Final = 72  # characters of base64 in a line


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the name under which its public half is published."""

    domain: str  # the tag d=, in A-labels and lower case
    selector: str
    private_key: PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        """The signature algorithm of the key."""
        return algorithm_of(self.private_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureForm:
    """How signatures are written."""

    header_canonicalization: Canonicalization = Canonicalization.RELAXED
    body_canonicalization: Canonicalization = Canonicalization.RELAXED
    lifetime: int | None = None  # seconds after which a signature expires (x=); None: never


DEFAULT_FORM: Final = SignatureForm()


class Signer:
    """Signs with a set of keys; safe to use from several threads at once."""

    __slots__ = ("_form", "_keys", "_prefixes", "wanted")

    def __init__(self, keys: Sequence[SigningKey], form: SignatureForm = DEFAULT_FORM) -> None:
        """Sign each message once with each key.

        Args:
            keys: Usually an RSA and an Ed25519 key of one domain; the first one's signature
                stands on top.
            form: How signatures are written.
        """
        self._keys = tuple(keys)
        self._form = form
        self._prefixes = tuple(_prefix(key, form) for key in self._keys)
        self.wanted = frozenset({BodyHash(form.body_canonicalization)})  # for `BodyHashes`

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """What is signed with."""
        return self._keys

    def hashes(self) -> BodyHashes:
        """Begin with the body of a message that is to be signed."""
        return BodyHashes(self.wanted)

    def sign(self, header: Header, body: BodyHashes, *, now: float) -> bytes:
        """Return the signature fields, each with its CRLF, to go on top of the message.

        Args:
            header: The header as it will be sent.
            body: What was fed with the whole body; it has at least the hashes ``wanted``.
            now: Seconds since 1970.

        Raises:
            PermanentError: There is no From field, or a key cannot sign.
        """
        if b"from" not in header:  # RFC 6376 §5.4: From must be signed
            raise PermanentError("the message has no From field")
        form = self._form
        names = signed_names(header)
        way = form.header_canonicalization
        common = hashlib.sha256(HeaderFields(header).canonical(names, way))
        body_hash = base64.b64encode(body.digest(BodyHash(form.body_canonicalization)))
        middle = _middle(names, body_hash, int(now), form)
        signatures = []
        for key, prefix in zip(self._keys, self._prefixes, strict=True):
            field = prefix + middle
            hashed = common.copy()
            hashed.update(canonical_field(field, way).removesuffix(b"\r\n"))
            signature = sign_digest(key.private_key, hashed.digest())
            signatures.append(field + _folded(base64.b64encode(signature)) + b"\r\n")
        return b"".join(signatures)


def sign(
    message: bytes,
    keys: Sequence[SigningKey],
    *,
    now: float,
    form: SignatureForm = DEFAULT_FORM,
) -> bytes:
    """Return the signature fields of a message, to go on top of it.

    Args:
        message: All of it, with CRLF line ends.
        keys: What to sign with; each makes a field.
        now: Seconds since 1970.
        form: How signatures are written.

    Raises:
        HeaderRefused: The header is larger than any mail server takes.
        PermanentError: There is no From field, or a key cannot sign.
    """
    signer = Signer(keys, form)
    header = scan_header(message)
    body = signer.hashes()
    body.feed(message[header.size :])
    return signer.sign(header, body, now=now)


def signed_names(header: Header) -> list[bytes]:
    """Return the names that a signature of a header lists (h=)."""
    names: list[bytes] = []
    for name in _CLOSED:
        names += [name] * (header.count(name) + 1)
    for name in _CLOSED_IF_PRESENT:
        if count := header.count(name):
            names += [name] * (count + 1)
    for name in _OPEN:
        names += [name] * header.count(name)
    return names


def _prefix(key: SigningKey, form: SignatureForm) -> bytes:
    header, body = form.header_canonicalization.value, form.body_canonicalization.value
    return (
        f"DKIM-Signature: v=1; a={key.algorithm.value}; c={header}/{body};\r\n"
        f"\td={key.domain}; s={key.selector};\r\n"
    ).encode("ascii")


def _middle(names: list[bytes], body_hash: bytes, now: int, form: SignatureForm) -> bytes:
    times = f"\tt={now};" if form.lifetime is None else f"\tt={now}; x={now + form.lifetime};"
    return b"%b\r\n\th=%b;\r\n\tbh=%b;\r\n\tb=" % (times.encode(), _listed(names), body_hash)


def _listed(names: list[bytes]) -> bytes:
    """Return the names joined by colons, folded."""
    lines = [b""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n\t ".join(lines)[:-1]


def _folded(text: bytes) -> bytes:
    return b"\r\n\t ".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))
