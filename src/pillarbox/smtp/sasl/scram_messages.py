"""The messages of SCRAM, parsed and formatted, the same for both sides (RFC 5802 §5, §7)."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BinasciiError
from dataclasses import dataclass
from typing import Final

from pillarbox.smtp.sasl.mechanism import MalformedResponseError

__all__ = [
    "END_POINT",
    "MAX_MESSAGE",
    "ClientFinal",
    "ClientFirst",
    "Gs2Header",
    "ServerFirst",
    "decode_base64",
    "encode_name",
    "read_client_final",
    "read_client_first",
    "read_gs2_header",
    "read_server_first",
    "read_text",
    "xor",
]

END_POINT: Final = "tls-server-end-point"  # RFC 5929 §4
MAX_MESSAGE: Final = 4096
"""Octets of one message; names, nonces and salts of any use are far shorter."""

# RFC 5802 §7: gs2-cbind-flag "," [authzid] ","
_GS2_HEADER: Final = re.compile(r"(?:([ny])|p=([A-Za-z0-9.-]+)),(?:a=([^,]+))?,")
# reserved-mext would come first; no extension of it is known, so it is refused (§5.1).
_CLIENT_FIRST_BARE: Final = re.compile(r"n=([^,]+),r=([!-+\--~]+)(?:,[A-Za-z]=.*)?", re.DOTALL)
_CLIENT_FINAL: Final = re.compile(
    r"(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-z]=.*)?),p=([A-Za-z0-9+/=]+)", re.DOTALL
)
_SERVER_FIRST: Final = re.compile(
    r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,[A-Za-z]=.*)?", re.DOTALL
)
# RFC 5802 §5.1: in a name "," is written as "=2C" and "=" as "=3D"; no other "=" may stand.
_BAD_ESCAPE: Final = re.compile(r"=(?!2C|3D)")


@dataclass(frozen=True, slots=True)
class Gs2Header:
    """What comes before a mechanism's own message (RFC 5801 §4)."""

    text: str  # as it was sent, both commas included
    flag: str  # "n": the client knows no channel binding; "y": thinks that we do not; "p": uses it
    binding_type: str  # with "p"
    authorization_identity: str  # "" if there is none


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The client's first message."""

    header: Gs2Header
    bare: str
    identity: str
    nonce: str


@dataclass(frozen=True, slots=True)
class ServerFirst:
    """The server's first message."""

    text: str
    nonce: str
    salt: bytes
    iterations: int


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """The client's last message."""

    without_proof: str
    binding: bytes
    nonce: str
    proof: bytes


def read_text(octets: bytes) -> str:
    """Return a message as text.

    Raises:
        MalformedResponseError: It is too long, not UTF-8, or holds NUL.
    """
    if len(octets) > MAX_MESSAGE:
        raise MalformedResponseError(f"a SCRAM message has more than {MAX_MESSAGE} octets")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedResponseError("a SCRAM message is not UTF-8") from None
    if "\0" in text:
        raise MalformedResponseError("a SCRAM message holds NUL")
    return text


def read_gs2_header(text: str) -> tuple[Gs2Header, str]:
    """Return the header that a message begins with, and what follows it.

    Raises:
        MalformedResponseError: It does not begin with one.
    """
    found = _GS2_HEADER.match(text)
    if found is None:
        raise MalformedResponseError("the message does not begin with a GS2 header")
    flag, binding_type, authorization_identity = found.groups()
    header = Gs2Header(
        found[0],
        flag or "p",
        binding_type or "",
        _decode_name(authorization_identity) if authorization_identity else "",
    )
    return header, text[found.end() :]


def read_client_first(text: str) -> ClientFirst:
    """Parse a client's first message.

    Raises:
        MalformedResponseError: It is malformed.
    """
    header, bare = read_gs2_header(text)
    found = _CLIENT_FIRST_BARE.fullmatch(bare)
    if found is None:
        raise MalformedResponseError("not a client-first-message")
    return ClientFirst(header, bare, _decode_name(found[1]), found[2])


def read_server_first(text: str) -> ServerFirst:
    """Parse a server's first message.

    Raises:
        MalformedResponseError: It is malformed.
    """
    found = _SERVER_FIRST.fullmatch(text)
    if found is None:
        raise MalformedResponseError("not a server-first-message")
    return ServerFirst(text, found[1], decode_base64(found[2]), int(found[3]))


def read_client_final(text: str) -> ClientFinal:
    """Parse a client's last message.

    Raises:
        MalformedResponseError: It is malformed.
    """
    found = _CLIENT_FINAL.fullmatch(text)
    if found is None:
        raise MalformedResponseError("not a client-final-message")
    return ClientFinal(found[1], decode_base64(found[2]), found[3], decode_base64(found[4]))


def decode_base64(text: str) -> bytes:
    """Return the octets in a field.

    Raises:
        MalformedResponseError: It is not base64.
    """
    try:
        return b64decode(text, validate=True)
    except BinasciiError:
        raise MalformedResponseError("a field is not base64") from None


def encode_name(name: str) -> str:
    """Return a prepared name as a ``saslname``."""
    return name.replace("=", "=3D").replace(",", "=2C")


def _decode_name(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise MalformedResponseError("a name holds an = that is not of =2C or =3D")
    return text.replace("=2C", ",").replace("=3D", "=")


def xor(left: bytes, right: bytes) -> bytes:
    """Return the exclusive or of two strings of 32 octets."""
    mixed = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return mixed.to_bytes(len(left), "big")
