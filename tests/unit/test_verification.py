"""Everything that is known of a message, in one pass over its body."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.authentic_mail import NOW, key_of, message, signed, zone

from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth import arc, dkim
from pillarbox.mailauth.authres import (
    AuthenticationResults,
    MethodResult,
    Property,
    parse_results,
)
from pillarbox.mailauth.dmarc import Policy
from pillarbox.mailauth.verification import Client, Verification, Verifier
from pillarbox.message.header import scan_header
from pillarbox.smtp.address import Mailbox

ZONE = (
    '_dmarc.example.net. TXT "v=DMARC1; p=reject"',
    '_dmarc.bank.example. TXT "v=DMARC1; p=quarantine"',
    'default._bimi.example.net. TXT "v=BIMI1; l=https://example.net/logo.svg; a="',
    'example.net. TXT "v=spf1 ip4:192.0.2.1 -all"',
    "mail.example.net. A 192.0.2.1",
    "1.2.0.192.in-addr.arpa. PTR mail.example.net.",
)
CLIENT = Client(
    address="192.0.2.1", helo="mail.example.net", reverse_path=Mailbox("ann", "example.net")
)
OTHER = Client(address="192.0.2.9", helo="x.example", reverse_path=CLIENT.reverse_path)


def resolver() -> ZoneResolver:
    return zone(*ZONE, signers=("example.net", "lists.example"))


def verify(
    octets: bytes,
    *,
    client: Client = CLIENT,
    step: int = 1_000,
    wants_bimi: bool = False,
) -> Verification:
    async def run() -> Verification:
        header = scan_header(octets)
        verifier = Verifier(resolver=resolver(), wants_bimi=wants_bimi)
        examination = verifier.begin(header, client)
        for start in range(header.size, len(octets), step):
            examination.feed(octets[start : start + step])
        return await examination.conclude(now=NOW)

    return asyncio.run(run())


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1_000])
def test_a_sound_message_passes_everything(step: int) -> None:
    """A message that is in order passes, however its body is cut."""
    octets = signed("example.net", message(body=b"One \r\n\r\n two\t \r\n\r\n\r\n"))
    found = verify(octets, step=step)
    assert found.field("mx.example.org").decode() == (
        "Authentication-Results: mx.example.org;\r\n"
        "\tiprev=pass (mail.example.net) policy.iprev=192.0.2.1;\r\n"
        "\tspf=pass smtp.mailfrom=ann@example.net;\r\n"
        "\tdkim=pass (256-bit key) header.d=example.net header.s=sel\r\n"
        f"\t header.a=ed25519-sha256 header.b={found.dkim[0].signature_start};\r\n"
        "\tdmarc=pass (p=reject) header.from=example.net\r\n"
    )
    assert found.disposition.value == "none"


def test_a_forged_message_fails_with_reasons() -> None:
    """A stranger's mail in the name of a bank fails, and its policy shows."""
    octets = signed("example.net", message("service@bank.example"))
    found = verify(octets)
    assert found.dmarc.result.value == "fail"
    assert found.dmarc.reason == (
        "what passed is not aligned: example.net is not of the organization bank.example"
    )
    assert found.disposition.value == "quarantine"
    assert b"dmarc=fail (p=quarantine) header.from=bank.example" in found.field("mx.example.org")


def test_a_changed_body_fails() -> None:
    """A body that was changed on the way breaks the signature, and SPF may still save it."""
    octets = signed("example.net", message()).replace(b"Hello", b"Hullo")
    found = verify(octets, client=OTHER)
    assert found.dkim[0].reason.startswith("the body was changed")
    assert found.dmarc.result.value == "fail"
    assert verify(octets).dmarc.result.value == "pass"


def test_forged_results_are_found() -> None:
    """A field that pretends to be ours is named, to be cut out."""
    extra = b"Authentication-Results: mx.example.org; dmarc=pass\r\n"
    octets = message(extra=extra)
    assert [octets[cut] for cut in verify(octets).forged("mx.example.org")] == [extra]


def forwarded(octets: bytes, author: str) -> bytes:
    """Return a message as a mailing list hands it on: sealed, and then with another subject."""
    header = scan_header(octets)
    sealer = arc.Sealer(key_of("lists.example"))
    body = dkim.BodyHashes(sealer.wanted)
    changed = octets.replace(b"Subject: ", b"Subject: [list] ")
    body.feed(octets[header.size :])
    none = arc.Chain(status=arc.ChainStatus.NONE, reason="")
    result = MethodResult("dmarc", "pass", (Property("header", "from", author),))
    said = AuthenticationResults("lists.example", (result,))
    return sealer.seal(scan_header(changed), body, chain=none, said=said, now=NOW) + changed


def test_a_trusted_forwarder_vouches_for_what_it_changed() -> None:
    """A list that changes the subject breaks the signature, and its seal tells what it saw."""
    octets = forwarded(signed("example.net", message()), "example.net")
    found = verify(octets, client=OTHER)
    assert found.dmarc.result.value == "fail"
    voucher = found.voucher({"lists.example"})
    assert voucher is not None
    assert voucher.reason == "lists.example saw DMARC pass for example.net (ARC set 1)"
    assert found.voucher({"other.example"}) is None


@pytest.mark.parametrize(
    "extra", [b"From: service@bank.example\r\n", b"From: ((\r\n", b"From: a@[192.0.2.1]\r\n"]
)
def test_nobody_vouches_for_several_authors(extra: bytes) -> None:
    """A forwarder that saw one author pass says nothing of another one."""
    octets = forwarded(extra + signed("example.net", message()), "example.net")
    found = verify(octets, client=OTHER)
    assert found.arc.status is arc.ChainStatus.PASS
    assert found.disposition is not Policy.NONE
    assert found.voucher({"lists.example"}) is None


def test_without_a_session_only_the_message_is_judged() -> None:
    """A message from a file, without a client, is judged by what it carries."""
    found = verify(signed("example.net", message()), client=Client())
    assert found.iprev is None
    assert found.dmarc.result.value == "pass"


def test_a_logo_is_looked_for_only_where_dmarc_passes() -> None:
    """Nobody borrows a brand's logo."""
    sound = verify(signed("example.net", message()), wants_bimi=True)
    assert sound.bimi is not None
    assert sound.bimi.result.value == "pass"
    assert b"bimi=pass header.d=example.net header.selector=default" in sound.field("mx.x")
    forged = verify(message("service@bank.example"), wants_bimi=True)
    assert forged.bimi is not None
    assert forged.bimi.result.value == "skipped"
    assert b"bimi" not in forged.field("mx.x")


def test_what_is_written_can_be_read() -> None:
    """Whatever a client says about itself, the field stays one field that can be read."""
    client = Client(
        address="192.0.2.1", helo="a b;c", reverse_path=Mailbox('x"; dmarc=pass', "evil.example")
    )
    field = verify(message(), client=client).field("mx.example.org")
    assert scan_header(field + b"\r\n").names == (b"authentication-results",)
    parsed = parse_results(field.partition(b":")[2])
    assert parsed is not None
    assert [one.method for one in parsed.results] == ["iprev", "spf", "dkim", "dmarc"]
    assert parsed.all_of("spf")[0].get("smtp.mailfrom") == 'x"; dmarc=pass@evil.example'


@pytest.mark.parametrize(
    "filler",
    [
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=; b=;\r\n",
        b"ARC-Seal: i=1; a=rsa-sha256; d=example.net; s=x; b=;\r\n",
        b"Authentication-Results: (((((((((((\r\n",
        b"From: a@b.example, c@d.example, e@f.example\r\n",
        b"From: " + b"(" * 90_000 + b"\r\n",
        b"DKIM-Signature: " + b"a=b;" * 20_000 + b"\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; bh="
        + b"A" * 43
        + b"=; b=QUJD; h="
        + b"from:" * 16_000
        + b"from\r\n",
    ],
)
def test_hostile_headers_cost_little(filler: bytes) -> None:
    """No header of 256 KiB and no body of a mebibyte costs a second of CPU."""
    header = (filler * (200_000 // len(filler) + 1))[:250_000]
    header = b"".join(line + b"\r\n" for line in header.split(b"\r\n")[:-1][:900])
    octets = header + b"From: ann@example.net\r\n\r\n" + b" \t\r\n" * 260_000
    began = time.process_time()
    found = verify(octets, step=65_536)
    found.field("mx.example.org")
    found.forged("mx.example.org")
    assert time.process_time() - began < 6.0
