"""Who signed a message: the domains and selectors that its DKIM signatures name. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.mailauth.dkim.outcome import Unverifiable
from pillarbox.mailauth.dkim.signature import read_dkim_signature
from pillarbox.message.header import HeaderRefused, scan_header

__all__ = ["Signer", "signers_of"]


@dataclass(frozen=True, slots=True)
class Signer:
    """The domain and the selector of one signature (the tags d= and s=)."""

    domain: str
    selector: str

    def is_of(self, domain: str) -> bool:
        """Whether the signature aligns with a domain: it is its own, or of one above or below."""
        own, other = self.domain.lower(), domain.lower()
        return own == other or own.endswith(f".{other}") or other.endswith(f".{own}")


def signers_of(octets: bytes) -> tuple[Signer, ...]:
    """Return the signers of a message, those above first; what cannot be read is left out."""
    try:
        header = scan_header(octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    except HeaderRefused:
        return ()
    found = []
    for value in header.get_all(b"dkim-signature"):
        try:
            signature = read_dkim_signature(value)
        except Unverifiable:
            continue
        found.append(Signer(signature.domain, signature.selector))
    return tuple(dict.fromkeys(found))
