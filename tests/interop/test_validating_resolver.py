"""TLSA through a real validating resolver: unbound over a zone that is signed here."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.validating_resolver import unbound

from pillarbox.dns.network import NetworkResolver
from pillarbox.mailauth.dane import Plan, plan
from pillarbox.mailauth.resolver import Outcome

HEAD = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 127.0.0.1\n"
DIGEST = "ab" * 32
SIGNED = f"{HEAD}@ MX 10 mx\nmx A 192.0.2.1\n_25._tcp.mx TLSA 3 1 1 {DIGEST}\nalone A 192.0.2.2\n"


def test_what_the_resolver_has_validated_is_believed_when_it_is_trusted(tmp_path: Path) -> None:
    """RFC 7672 §2.2: signed answers and denials are secure, unsigned are not, forged are none."""
    zones = {"signed": {"safe.test.": SIGNED}, "plain": {"plain.test.": SIGNED}}
    with unbound(tmp_path, **zones, forged={"forged.test.": SIGNED}) as server:
        asyncio.run(_ask(server))


async def _ask(server: str) -> None:
    trusting = NetworkResolver(servers=[server], timeout=3, trust_ad=True)
    found = await trusting.tlsa("_25._tcp.mx.safe.test")
    assert (found.outcome, found.is_authenticated) == (Outcome.FOUND, True)
    assert plan(found, host_is_secure=True).plan is Plan.AUTHENTICATE
    assert (await trusting.mx("safe.test")).is_authenticated
    assert (await trusting.addresses("mx.safe.test")).is_authenticated
    denied = await trusting.tlsa("_25._tcp.alone.safe.test")
    assert (denied.outcome, denied.is_authenticated) == (Outcome.NO_SUCH_NAME, True)
    plain = await trusting.tlsa("_25._tcp.mx.plain.test")
    assert (plain.outcome, plain.is_authenticated) == (Outcome.FOUND, False)
    assert plan(plain, host_is_secure=True).plan is Plan.NOTHING
    forged = await trusting.tlsa("_25._tcp.mx.forged.test")
    assert (forged.outcome, forged.reason.split(": ")[1]) == (
        Outcome.UNAVAILABLE,
        "answered SERVFAIL",
    )
    assert plan(forged, host_is_secure=True).plan is Plan.DEFER
    careful = NetworkResolver(servers=[server], timeout=3)
    assert not (await careful.tlsa("_25._tcp.mx.safe.test")).is_authenticated
