"""Mail from outside is judged before it is kept, and mail that is submitted is signed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from tests.receiving import LOCAL_TEST, Rig, listener, receiving, wait_until

from pillarbox.config.settings import (
    DmarcEnforcement,
    ListenerKind,
    ListenerSettings,
    QuarantineAction,
    Settings,
    VerifySettings,
)
from pillarbox.dns.zone import ZoneResolver
from pillarbox.events.types import CheckRuled, Event, MessageJudged, MessageRefused
from pillarbox.hooks.answers import passed
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.ring import KeyRing
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.dkim.private_key import make_private_key
from pillarbox.net.tls import TlsContexts
from pillarbox.node.authenticity import Authenticity
from pillarbox.node.judging import Judging
from pillarbox.policy.key_life import KeyState
from pillarbox.policy.recipients import LocalDomains
from pillarbox.smtp.envelope import Notify

NOW = 1_800_000_000.0
HEADER = (
    b"From: Eve <eve@outside.test>\r\nTo: ann@local.test\r\nSubject: hello\r\n"
    b"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@outside.test>\r\n\r\n"
)
BODIES = pytest.mark.parametrize(
    "body", [b"Hello.\r\n", b"A line of a large body.\r\n" * 12_000], ids=["small", "large"]
)


@cache
def keys(domain: str) -> tuple[KeptKey, ...]:
    """Return an RSA and an Ed25519 key that sign for a domain."""
    made = (
        KeptKey.new(domain, algorithm.key_type, make_private_key(algorithm), NOW)
        for algorithm in (Algorithm.RSA_SHA256, Algorithm.ED25519_SHA256)
    )
    return tuple(replace(key, state=KeyState.SIGNING) for key in made)


def zone(policy: str = "reject", spf: str = "ip4:127.0.0.0/8 -all") -> ZoneResolver:
    """Return what DNS says: keys, SPF and DMARC of outside.test."""
    records = [
        f'outside.test. TXT "v=spf1 {spf}"',
        f'_dmarc.outside.test. TXT "v=DMARC1; p={policy}"',
    ]
    for domain in ("outside.test", "local.test"):
        for key in keys(domain):
            parts = " ".join(f'"{key.record[i : i + 200]}"' for i in range(0, len(key.record), 200))
            records.append(f"{key.name}. TXT {parts}")
    return ZoneResolver("$TTL 300\n$ORIGIN .\n" + "\n".join(records) + "\n")


@contextlib.contextmanager
def authentic(
    *,
    resolver: ZoneResolver | None = None,
    signs_for: str = "",
    kind: ListenerKind = ListenerKind.MX,
    **verify: object,
) -> Iterator[tuple[Rig, list[Event]]]:
    """Run a listener with signing and judging as a node has them."""
    told: list[Event] = []
    settings = Settings(
        listener={"mx": ListenerSettings(kind=kind, bind=("127.0.0.1:0",))},
        verify=VerifySettings(except_networks=(), **verify),  # type: ignore[arg-type]
    )
    ring = KeyRing(settings, keys(signs_for) if signs_for else ())
    with ThreadPoolExecutor(2) as executor:
        authenticity = Authenticity(
            hostname="mx.local.test",
            resolver=resolver or zone(),
            contexts=TlsContexts(),
            ring=lambda: ring,
            executor=executor,
            now=lambda: NOW,
            sink=told.append,
        )
        judging = Judging.prepare(
            settings, LocalDomains([LOCAL_TEST]), authenticity, lambda *_: None, lambda: NOW
        )
        networks = () if kind is ListenerKind.MX else ("127.0.0.0/8",)
        with receiving(
            {"mx": listener(kind, trusted_networks=networks)}, inspectors=judging.inspectors
        ) as rig:
            yield rig, told


def send(rig: Rig, message: bytes, *recipients: str) -> str:
    """Send a message as eve, and return the reply to the final dot."""
    with rig.client() as client:
        client.hello()
        client.send("MAIL FROM:<eve@outside.test>")
        client.send(*(f"RCPT TO:<{each}>" for each in recipients or ("ann@local.test",)), "DATA")
        replies = client.codes(2 + max(len(recipients), 1))
        assert replies[-1] == "354", replies
        client.send(message + b".\r\n")
        return client.reply()


def sign(message: bytes) -> bytes:
    """Submit a message at outside.test, and return what was kept of it."""
    with authentic(signs_for="outside.test", kind=ListenerKind.SUBMISSION) as (rig, _):
        assert send(rig, message, "ann@local.test").startswith("250 ")
        return rig.content(rig.kept[0])


def results(content: bytes) -> str:
    """Return the Authentication-Results field on top of a message, unfolded."""
    assert content.startswith(b"Authentication-Results: mx.local.test;")
    end = content.index(b"\r\nReceived:")
    return " ".join(content[:end].decode().split())


@BODIES
def test_signed_mail_passes_at_the_next_server(body: bytes) -> None:
    """What one node signs, with both kinds of keys, another one verifies."""
    signed = sign(HEADER + body)
    assert signed.count(b"DKIM-Signature:") == 2
    with authentic() as (rig, told):
        assert send(rig, signed).startswith("250 ")
        content = rig.content(rig.kept[0])
    said = results(content)
    assert said.count("dkim=pass") == 2
    assert "spf=pass smtp.mailfrom=eve@outside.test" in said
    assert "dmarc=pass" in said
    assert content.endswith(b"\r\n\r\n" + body)
    (judged,) = (event for event in told if isinstance(event, MessageJudged))
    assert (judged.author, judged.dmarc, judged.ruling) == ("outside.test", "pass", "pass")


def test_a_domain_without_keys_is_not_signed_for() -> None:
    """The mail goes out as it is."""
    other = HEADER.replace(b"eve@outside.test>", b"eve@other.test>", 1)
    assert b"DKIM-Signature" not in sign(other + b"Hello\r\n")


@pytest.mark.parametrize(
    ("enforcement", "policy", "code", "mark"),
    [
        (DmarcEnforcement.OBSERVE, "reject", "250", b""),
        (DmarcEnforcement.QUARANTINE, "reject", "250", b"X-Quarantine: dmarc\r\n"),
        (DmarcEnforcement.REJECT, "quarantine", "250", b"X-Quarantine: dmarc\r\n"),
        (DmarcEnforcement.REJECT, "none", "250", b""),
        (DmarcEnforcement.REJECT, "reject", "550", b""),
    ],
)
@BODIES
def test_mail_that_fails_is_treated_as_configured(
    enforcement: DmarcEnforcement, policy: str, code: str, mark: bytes, body: bytes
) -> None:
    """Observed, marked or refused, by what the owner asks for and how far we follow."""
    resolver = zone(policy, spf="-all")
    with authentic(resolver=resolver, dmarc=enforcement) as (rig, _):
        reply = send(rig, HEADER + body)
        assert reply[:3] == code
        if code == "550":
            assert reply == "550 5.7.26 Refused by the DMARC policy of outside.test"
            wait_until(lambda: rig.named(MessageRefused))
            assert rig.named(CheckRuled)[0].check == "dmarc"
            assert not rig.kept
            return
        content = rig.content(rig.kept[0])
    assert content.startswith(mark + b"Authentication-Results: ")
    assert b"dmarc=fail" in content
    assert b"spf=fail" in content


def test_quarantined_mail_can_be_held() -> None:
    """It is taken, and waits for an operator with the reason."""
    resolver = zone("quarantine", spf="-all")
    with authentic(
        resolver=resolver, dmarc=DmarcEnforcement.REJECT, quarantine=QuarantineAction.HOLD
    ) as (rig, _):
        assert send(rig, HEADER + b"Hello\r\n").startswith("250 ")
        (recipient,) = rig.kept[0].recipients
    assert recipient.next_attempt_at is None
    assert recipient.last_reply.startswith("dmarc: quarantined: quarantine for outside.test")


@BODIES
def test_results_that_pretend_to_be_ours_are_cut_out(body: bytes) -> None:
    """Others' stay, and the signature over them still verifies."""
    forged = b"Authentication-Results: mx.local.test; dmarc=pass header.from=bank.test\r\n"
    others = b"Authentication-Results: mx.outside.test; none\r\n"
    signed = sign(HEADER + body)
    with authentic() as (rig, _):
        assert send(rig, forged + others + signed).startswith("250 ")
        content = rig.content(rig.kept[0])
    assert b"bank.test" not in content
    assert others in content
    assert "dkim=pass" in results(content)


@BODIES
def test_forwarded_mail_is_sealed_for_the_next_server(body: bytes) -> None:
    """After the hop SPF fails, and a server that trusts our seal takes it all the same."""
    with authentic(signs_for="local.test") as (rig, _):
        assert send(rig, sign(HEADER + body), "team@local.test").startswith("250 ")
        content = rig.content(rig.kept[0])
    assert content.startswith(b"ARC-Seal: i=1;")
    broken = content.replace(b"Subject: hello", b"Subject: [list] hello")
    resolver = zone(spf="-all")
    settings = {"resolver": resolver, "dmarc": DmarcEnforcement.REJECT}
    with authentic(**settings) as (rig, _):  # type: ignore[arg-type]
        assert send(rig, content).startswith("250 ")  # the signatures have survived
        assert "arc=pass" in results(rig.content(rig.kept[0]))
        assert send(rig, broken).startswith("550 5.7.26")
    # A change by the forwarder itself comes before its seal; here it breaks the seal as well.
    with authentic(**settings, trusted_forwarders=("local.test",)) as (rig, _):  # type: ignore[arg-type]
        assert send(rig, broken).startswith("550 5.7.26")


@pytest.mark.parametrize(
    ("spf", "is_signed", "notify"),
    [
        ("ip4:127.0.0.0/8 -all", False, None),
        ("-all", True, None),  # DMARC passes for the domain of the reverse-path
        ("-all", False, Notify.NEVER),
        ("?all", False, Notify.NEVER),
    ],
)
@BODIES
def test_nobody_is_told_of_mail_that_he_may_not_have_sent(
    spf: str, is_signed: bool, notify: Notify | None, body: bytes
) -> None:
    """Without proof of its sender a message never bounces: it would hit a stranger."""
    message = sign(HEADER + body) if is_signed else HEADER + body
    with authentic(resolver=zone(spf=spf)) as (rig, _):
        assert send(rig, message).startswith("250 ")
        (recipient,) = rig.kept[0].envelope.recipients
    assert recipient.notify == notify


def test_dns_that_does_not_answer_stops_no_mail_for_ever() -> None:
    """Observing, the mail is taken without results; enforcing, it is asked to come again."""
    silent = ZoneResolver(";! timeout test.\n")
    with authentic(resolver=silent, timeout=0.2) as (rig, _):
        assert send(rig, HEADER + b"Hello\r\n").startswith("250 ")
    with authentic(resolver=silent, timeout=0.2, dmarc=DmarcEnforcement.REJECT) as (rig, _):
        assert send(rig, HEADER + b"Hello\r\n").startswith("451 4.4.3 ")


@BODIES
def test_a_forged_result_is_cut_out_where_dns_is_silent(body: bytes) -> None:
    """Whoever lets his own DNS answer too late does not get his own verdict believed."""
    forged = b"Authentication-Results: mx.local.test; dmarc=pass header.from=bank.test\r\n"
    with authentic(resolver=ZoneResolver(";! timeout test.\n"), timeout=0.1) as (rig, _):
        assert send(rig, forged + HEADER + body).startswith("250 ")
        content = rig.content(rig.kept[0])
    assert b"bank.test" not in content


def test_mail_from_inside_is_not_judged(tmp_path: Path) -> None:
    """Exempt networks get no results, and cost no questions."""
    del tmp_path
    assert passed().fields == b""
    with authentic() as (rig, told):
        pass
    assert not told
    with receiving() as rig:
        assert send(rig, HEADER + b"Hello\r\n").startswith("250 ")
        assert not rig.content(rig.kept[0]).startswith(b"Authentication-Results")
