"""Key records for tests: a resolver that answers TXT questions from a table, and keys."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pillarbox.mailauth.dkim import SigningKey
from pillarbox.mailauth.dkim.algorithm import algorithm_of, public_octets
from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, TlsaRecord

__all__ = ["DOMAIN", "ED25519", "RSA", "KeyTable", "record_of"]

DOMAIN = "example.org"
RSA = SigningKey(DOMAIN, "r1", rsa.generate_private_key(65537, 2048))
ED25519 = SigningKey(DOMAIN, "e1", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def record_of(key: SigningKey) -> bytes:
    """Return the TXT record that publishes a key."""
    kind = algorithm_of(key.private_key).key_type
    return (
        f"v=DKIM1; k={kind}; p={base64.b64encode(public_octets(key.private_key)).decode()}".encode()
    )


@dataclass
class KeyTable:
    """Answers TXT questions: records, an outcome, or NXDOMAIN for what is not in it."""

    records: Mapping[str, tuple[bytes, ...] | Outcome]
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, *keys: SigningKey) -> KeyTable:
        """Publish keys."""
        return cls({f"{key.selector}._domainkey.{key.domain}": (record_of(key),) for key in keys})

    async def txt(self, name: str) -> Answer[bytes]:
        """Return the TXT records of a name."""
        self.asked.append(name)
        found = self.records.get(name, Outcome.NO_SUCH_NAME)
        if isinstance(found, Outcome):
            return Answer(name=name, type="TXT", outcome=found, reason="SERVFAIL")
        return Answer(name=name, type="TXT", outcome=Outcome.FOUND, records=found)

    async def mx(self, name: str) -> Answer[MxRecord]:
        """Say that there is none."""
        return Answer(name=name, type="MX", outcome=Outcome.NO_SUCH_DATA)

    async def addresses(self, name: str) -> Answer[str]:
        """Say that there is none."""
        return Answer(name=name, type="A", outcome=Outcome.NO_SUCH_DATA)

    async def ptr(self, address: str) -> Answer[str]:
        """Say that there is none."""
        return Answer(name=address, type="PTR", outcome=Outcome.NO_SUCH_DATA)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """Say that there is none."""
        return Answer(name=name, type="TLSA", outcome=Outcome.NO_SUCH_DATA)
