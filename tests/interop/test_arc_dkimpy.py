"""ARC with dkimpy: it validates what we seal.

The other way round is proved by the outside suite, whose chains others have sealed.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.key_table import RSA, KeyTable, record_of

from pillarbox.mailauth import arc, dkim
from pillarbox.mailauth.arc import ChainStatus
from pillarbox.mailauth.authres import AuthenticationResults, MethodResult
from pillarbox.message.header import scan_header

dkimpy = pytest.importorskip("dkim", reason="dkimpy is not installed")

TABLE = KeyTable.of(RSA)
BODIES = (
    b"",
    b"\r\n\r\n",
    b"Hello\r\n",
    b"no line end",
    b" a \t b \r\n\tc\r\n\r\n\r\n",
    bytes(range(14, 256)) + b"\r\n",
    b"x" * 5000 + b"\r\n" * 50,
)


def texts(name: bytes, timeout: int = 5) -> bytes | None:
    del timeout
    return record_of(RSA) if name.startswith(b"r1._domainkey") else None


def seal(octets: bytes) -> bytes:
    header = scan_header(octets)
    sealer = arc.Sealer(RSA)
    prepared = arc.prepare(header)
    body = dkim.BodyHashes(prepared.wanted | sealer.wanted)
    body.feed(octets[header.size :])
    chain = asyncio.run(prepared.conclude(body, TABLE))
    said = AuthenticationResults("mx.example.org", (MethodResult("dmarc", "pass"),))
    return sealer.seal(header, body, chain=chain, said=said, now=1_700_000_000.0) + octets


def chain_by_dkimpy(octets: bytes) -> bytes:
    status, _, _ = dkimpy.arc_verify(octets, dnsfunc=texts)
    return bytes(status or b"")


def messages() -> list[bytes]:
    """Return messages with odd fields and bodies, the same ones each time."""
    chosen = random.Random(1)
    made = []
    for number in range(40):
        folds = "\r\n\t" * chosen.randrange(3)
        subject = f"Subject:  a  {folds} b{' ' * chosen.randrange(4)}\r\n"
        header = (
            f"From: Ann <ann@example.net>\r\nTo: bob@example.org\r\n{subject}"
            f"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMime-Version:1.0\r\nX-N: {number}\r\n"
        )
        made.append(f"{header}\r\n".encode() + chosen.choice(BODIES))
    return made


@pytest.mark.parametrize("octets", messages())
def test_what_we_seal_passes_there(octets: bytes) -> None:
    """Chains of one to four hops pass, whatever the fields and bodies look like."""
    for number in range(4):
        octets = seal(octets)
        chain = asyncio.run(arc.validate(octets, TABLE))
        assert (chain.status, len(chain.sets)) == (ChainStatus.PASS, number + 1), chain.reason
        assert chain_by_dkimpy(octets) == b"pass"


def test_both_see_the_same_break() -> None:
    """A body that was changed between two hops fails on both sides, and is sealed as a failure."""
    octets = seal(messages()[0]) + b"changed\r\n"
    assert asyncio.run(arc.validate(octets, TABLE)).status is ChainStatus.FAIL
    assert chain_by_dkimpy(octets) == b"fail"
    assert chain_by_dkimpy(seal(octets)) != b"pass"
