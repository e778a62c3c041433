"""What comes of signatures: good ones, changed mail, and what nobody may accept."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.key_table import DOMAIN, ED25519, RSA, KeyTable, record_of

from pillarbox.errors import PermanentError
from pillarbox.mailauth import dkim
from pillarbox.mailauth.dkim.algorithm import public_octets, sign_digest
from pillarbox.mailauth.dkim.body import BodyHasher
from pillarbox.mailauth.dkim.canonicalization import canonical_field
from pillarbox.mailauth.dkim.fields import HeaderFields, without_signature
from pillarbox.mailauth.dkim.signature import read_signature, read_tags
from pillarbox.mailauth.dkim.signing import signed_names
from pillarbox.mailauth.dkim.verification import header_digest
from pillarbox.mailauth.resolver import Outcome
from pillarbox.message.header import HeaderRefused, scan_header

NOW = 1_800_000_000.0
MESSAGE = (
    b"From: Ann <ann@example.org>\r\n"
    b"To: bob@example.net\r\n"
    b"Subject: Pigs  and\r\n\tponies\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"List-Unsubscribe: <https://example.org/u>\r\n"
    b"\r\n"
    b"Hi.  \r\n\r\nAnn\r\n\r\n"
)
ALL_KEYS = KeyTable.of(RSA, ED25519)


def verify(
    message: bytes, table: KeyTable = ALL_KEYS, now: float = NOW
) -> tuple[dkim.SignatureResult, ...]:
    return asyncio.run(dkim.verify(message, table, now=now))


def only(message: bytes, table: KeyTable = ALL_KEYS, now: float = NOW) -> tuple[str, str]:
    (result,) = verify(message, table, now)
    return result.result.value, result.reason


def signed(message: bytes = MESSAGE, key: dkim.SigningKey = ED25519) -> bytes:
    return dkim.sign(message, [key], now=NOW) + message


def crafted(tags: str, limit: int | None = None) -> bytes:
    """Sign with tags of one's own; {bh} is filled in, and b= is added."""
    header = scan_header(MESSAGE)
    body = BodyHasher(dkim.Canonicalization.RELAXED, limits=[] if limit is None else [limit])
    body.feed(MESSAGE[header.size :])
    digest = body.digest(limit)
    field = f"DKIM-Signature: {tags}; b=".replace("{bh}", base64.b64encode(digest).decode())
    draft = field.encode() + b"AAAA\r\n"
    try:
        read = read_signature(read_tags(draft.partition(b":")[2]))
    except dkim.Unverifiable:
        return draft + MESSAGE
    digest = header_digest(HeaderFields(header), read, draft)
    signature = base64.b64encode(sign_digest(ED25519.private_key, digest))
    return field.encode() + signature + b"\r\n" + MESSAGE


PLAIN = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=e1; h=from:to:subject; bh={bh}"


def with_tag(name: str, value: str) -> str:
    """Return the plain tags with one set or replaced."""
    if f"{name}=" in PLAIN and name != "l":
        return re.sub(rf"(^|; ){name}=[^;]*", rf"\g<1>{name}={value}", PLAIN)
    return f"{PLAIN}; {name}={value}"


@pytest.mark.parametrize("header", list(dkim.Canonicalization))
@pytest.mark.parametrize("body", list(dkim.Canonicalization))
def test_what_is_signed_twice_passes_twice(
    header: dkim.Canonicalization, body: dkim.Canonicalization
) -> None:
    """RSA and Ed25519 signatures in each form of `c=` pass, and say who answers for them."""
    form = dkim.SignatureForm(header_canonicalization=header, body_canonicalization=body)
    fields = dkim.sign(MESSAGE, [RSA, ED25519], now=NOW, form=form)
    first, second = verify(fields + MESSAGE)
    assert (first.is_pass, second.is_pass) == (True, True)
    assert (first.domain, first.selector, first.algorithm) == (DOMAIN, "r1", "rsa-sha256")
    assert (second.selector, second.algorithm, second.key_bits) == ("e1", "ed25519-sha256", 256)
    assert second.signature_start.encode() in fields
    assert all(len(line) <= 78 for line in fields.split(b"\r\n"))


@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"no end", b"a \r\n \r\n\r\n", b"\xff\x00\r\n", b" "]
)
@pytest.mark.parametrize("canonicalization", list(dkim.Canonicalization))
def test_odd_bodies_are_signed_and_verified(
    body: bytes, canonicalization: dkim.Canonicalization
) -> None:
    """Empty, unended, blank and 8-bit bodies pass."""
    form = dkim.SignatureForm(body_canonicalization=canonicalization)
    message = b"From: ann@example.org\r\n\r\n" + body
    assert verify(dkim.sign(message, [ED25519], now=NOW, form=form) + message)[0].is_pass


def test_a_body_in_chunks_gives_the_same_signature() -> None:
    """The streaming halves agree with the whole, wherever the body is cut."""
    header = scan_header(MESSAGE)
    signer = dkim.Signer([ED25519])
    body = signer.hashes()
    for octet in MESSAGE[header.size :]:
        body.feed(bytes([octet]))
    assert signer.sign(header, body, now=NOW) == dkim.sign(MESSAGE, [ED25519], now=NOW)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Hi.", b"Ho.", "the body was changed"),
        (b"Subject: Pigs", b"Subject: Dogs", "a signed header field was changed"),
        (b"From:", b"From: eve@example.net\r\nFrom:", "a signed header field was changed"),
        (b"Subject:", b"Cc: eve@example.net\r\nSubject:", "a signed header field was changed"),
        (b"Subject:", b"Content-Type: text/html\r\nSubject:", "a signed header field was changed"),
        (b"Ann\r\n", b"Ann\r\nmore\r\n", "the body was changed"),
    ],
)
def test_changed_mail_fails_and_says_what_was_changed(old: bytes, new: bytes, reason: str) -> None:
    """A changed body is told from a changed header; fields that matter cannot be added."""
    word, said = only(dkim.sign(MESSAGE, [RSA], now=NOW) + MESSAGE.replace(old, new, 1))
    assert word == "fail"
    assert said.startswith(reason)


@pytest.mark.parametrize(
    "change",
    [
        (b"\r\n\r\nAnn", b"\r\n\r\nAnn  "),
        (b"Subject: Pigs  and\r\n\t", b"subject:Pigs and "),
        (b"From: Ann", b"Received: by mx.example.net\r\nFrom: Ann"),
        (b"List-Unsub", b"List-Id: <l.example.net>\r\nList-Unsub"),
    ],
)
def test_what_servers_do_on_the_way_does_no_harm(change: tuple[bytes, bytes]) -> None:
    """Blanks, folds, trace and list fields may change under relaxed signatures."""
    assert only(dkim.sign(MESSAGE, [RSA], now=NOW) + MESSAGE.replace(*change)) == ("pass", "")


def test_a_changed_body_still_says_that_the_header_fits() -> None:
    """The evidence has both hashes of the body, and that the header is what was signed."""
    (result,) = verify(signed() + b"more\r\n")
    assert any(each.startswith("body: signed ") for each in result.evidence)
    assert "header: it is what was signed" in result.evidence


def test_a_signature_never_has_a_length() -> None:
    """There is no l= in what we sign, and x= only on request."""
    field = dkim.sign(MESSAGE, [ED25519], now=NOW)
    assert not re.search(rb"[;\s][lx]=", field)
    form = dkim.SignatureForm(lifetime=3600)
    expiring = dkim.sign(MESSAGE, [ED25519], now=NOW, form=form)
    assert b"x=1800003600" in expiring
    assert only(expiring + MESSAGE, now=NOW + 3601)[0] == "fail"


@pytest.mark.parametrize(
    ("tags", "word", "reason"),
    [
        (PLAIN, "pass", ""),
        (with_tag("x", "1799999999"), "fail", "expired"),
        (with_tag("t", "1800001000"), "fail", "future"),
        (with_tag("t", "9") + "; x=9", "permerror", "before it was made"),
        (with_tag("i", "ann@example.net"), "permerror", "not in the domain"),
        (with_tag("i", "ann@notexample.org"), "permerror", "not in the domain"),
        (with_tag("i", "ann@sub.example.org"), "pass", ""),
        (with_tag("i", "@example.org"), "pass", ""),
        (with_tag("i", "ann"), "neutral", "no address"),
        (with_tag("h", "to:subject"), "permerror", "From is not signed"),
        (with_tag("h", "from:b\u00e4d"), "neutral", "h="),
        (with_tag("h", "from::to"), "neutral", "h="),
        (with_tag("d", "com"), "fail", "nobody can sign for all of com"),
        (with_tag("d", "a..b"), "neutral", "d="),
        (with_tag("d", "(.example.org"), "neutral", "d="),
        (with_tag("a", "rsa-sha1"), "fail", "RFC 8301"),
        (with_tag("a", "dsa-sha512"), "neutral", "unknown algorithm"),
        (with_tag("a", "rsa-sha256"), "permerror", "of type ed25519"),
        (with_tag("c", "relaxed/nowsp"), "neutral", "unknown canonicalization"),
        (with_tag("v", "2"), "neutral", "version"),
        (with_tag("q", "http"), "neutral", "dns/txt"),
        (with_tag("q", "http:dns/txt"), "pass", ""),
        (with_tag("s", "none"), "permerror", "there is no key"),
        (with_tag("s", ""), "permerror", "s= is missing"),
        (with_tag("bh", "AAAA"), "neutral", "bh="),
        (with_tag("bh", "?"), "neutral", "bh="),
        (with_tag("t", "-1"), "neutral", "t="),
        (with_tag("t", "9" * 77), "neutral", "t="),
        (PLAIN + "; d=example.org", "neutral", "twice"),
        (PLAIN + "; nonsense", "neutral", "not name=value"),
        (PLAIN + "; z=From:ann@example.org", "pass", ""),
    ],
)
def test_each_tag_is_held_to_what_it_may_say(tags: str, word: str, reason: str) -> None:
    """RFC 6376 §3.5 and §6.1.1: the result and its reason for each way to go wrong."""
    found, said = only(crafted(tags))
    assert found == word
    assert reason in said


@pytest.mark.parametrize(
    ("length", "word", "reason"),
    [(12, "pass", ""), (4, "policy", "8 octets at the end"), (0, "policy", "12 octets"),
     (99, "fail", "shorter")],
)  # fmt: skip
def test_what_a_length_leaves_out_is_not_let_pass(length: int, word: str, reason: str) -> None:
    """A signature that covers only the start of the body does not pass when more follows (H01)."""
    # The canonical body is "Hi.\r\n\r\nAnn\r\n": 12 octets.
    found, said = only(crafted(with_tag("l", str(length)), limit=length))
    assert found == word
    assert reason in said


@pytest.mark.parametrize(
    ("record", "word", "reason"),
    [
        (b"v=DKIM1; p=", "permerror", "revoked"),
        (b"v=DKIM1; k=ed25519", "permerror", "no p="),
        (b"v=DKIM2; p=AAAA", "permerror", "v=DKIM1"),
        (b"k=ed25519; v=DKIM1; p=AAAA", "permerror", "v=DKIM1"),
        (b"v=DKIM1; k=dsa; p=AAAA", "permerror", "unknown type"),
        (b"v=DKIM1; k=ed25519; p=AAAA", "permerror", "3 octets"),
        (b"v=DKIM1; k=ed25519; p=!", "permerror", "base64"),
        (b"v=DKIM1; k=rsa; p=AAAA", "permerror", "no RSA key"),
        (b"v=spf1 -all", "permerror", "v=DKIM1"),
        (b"\xff" * 65_000, "permerror", "malformed"),
        (b"p=AAAA;" * 9_000, "permerror", "twice"),
        (record_of(ED25519) + b"; h=sha1", "permerror", "not for sha256"),
        (record_of(ED25519) + b"; h=sha1:sha256", "pass", ""),
        (record_of(ED25519) + b"; s=tlsrpt", "permerror", "not for mail"),
        (record_of(ED25519) + b"; s=email:x; n=note; g=*", "pass", ""),
        (record_of(ED25519) + b"; t=s", "pass", ""),
    ],
)
def test_each_key_record_is_held_to_what_it_may_say(record: bytes, word: str, reason: str) -> None:
    """RFC 6376 §3.6.1: the result and its reason for each key that cannot be used."""
    found, said = only(signed(), KeyTable({"e1._domainkey.example.org": (record,)}))
    assert found == word
    assert reason in said


def test_a_strict_key_is_not_for_subdomains() -> None:
    """With t=s in the key, i= must be in d= itself."""
    table = KeyTable({"e1._domainkey.example.org": (record_of(ED25519) + b"; t=y:s",)})
    (result,) = verify(crafted(with_tag("i", "@sub.example.org")), table)
    assert result.result is dkim.Result.PERMANENT_ERROR
    assert "t=s" in result.reason
    assert result.is_testing


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome.UNAVAILABLE, "temperror"),
        (Outcome.NO_SUCH_NAME, "permerror"),
        (Outcome.NO_SUCH_DATA, "permerror"),
    ],
)
def test_dns_that_is_silent_is_told_from_a_key_that_is_not_there(
    outcome: Outcome, word: str
) -> None:
    """SERVFAIL and time-outs may pass; a missing key will not (H08)."""
    table = KeyTable({"e1._domainkey.example.org": outcome})
    assert only(signed(), table)[0] == word
    assert only(signed() + b"more\r\n", table)[0] == "fail"  # under any key


def test_of_several_records_the_fitting_one_counts() -> None:
    """Other TXT records at the name do no harm."""
    records = (b"v=spf1 -all", record_of(RSA), record_of(ED25519))
    assert only(signed(), KeyTable({"e1._domainkey.example.org": records})) == ("pass", "")


def der_of(modulus: int, exponent: int = 65537) -> bytes:
    """Return an RSA key in DER."""
    return (
        rsa.RSAPublicNumbers(exponent, modulus)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.mark.parametrize(
    ("bits", "exponent", "word", "reason"),
    [
        (512, 65537, "fail", "RFC 8301"),
        (1023, 65537, "fail", "RFC 8301"),
        (4097, 65537, "permerror", "4096"),
        (8192, 65537, "permerror", "4096"),
        (16384, 65537, "permerror", "4096"),
        (2048, (1 << 33) + 1, "permerror", "exponent"),
        (4096, (1 << 60) + 1, "permerror", "exponent"),
    ],
)
def test_rsa_keys_out_of_bounds_are_not_computed_with(
    bits: int, exponent: int, word: str, reason: str
) -> None:
    """Short keys prove nothing; long ones and huge exponents would cost time (H03)."""
    record = b"v=DKIM1; p=" + base64.b64encode(der_of((1 << bits) - 1, exponent))
    table = KeyTable({"r1._domainkey.example.org": (record,)})
    found, said = only(signed(key=RSA), table)
    assert found == word
    assert reason in said


@pytest.mark.parametrize("bits", [1024, 4096])
def test_rsa_keys_at_the_bounds_pass(bits: int) -> None:
    """RFC 8301 §3.2: keys of 1,024 to 4,096 bits are read."""
    key = dkim.SigningKey(DOMAIN, "r1", rsa.generate_private_key(65537, bits))
    assert only(signed(key=key), KeyTable.of(key)) == ("pass", "")


def test_only_the_first_ten_signatures_are_looked_at() -> None:
    """Of a hundred signatures ten get a result, and no key more is asked for (H04)."""
    field = dkim.sign(MESSAGE, [ED25519], now=NOW)
    table = KeyTable.of(ED25519)
    results = verify(field * 100 + MESSAGE, table)
    assert [each.result.value for each in results] == ["pass"] * 10
    assert len(table.asked) == 10
    assert dkim.prepare(scan_header(field * 100 + MESSAGE)).ignored == 90


def test_a_message_without_signatures_has_no_results() -> None:
    """There is nothing to say, and nobody is asked."""
    assert verify(MESSAGE, KeyTable({})) == ()
    assert verify(b"", KeyTable({})) == ()


def test_a_message_without_an_author_is_not_signed() -> None:
    """RFC 6376 §5.4: the From field must be signed."""
    with pytest.raises(PermanentError, match="no From"):
        dkim.sign(b"To: bob@example.net\r\n\r\n", [ED25519], now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        b"DKIM-Signature: " + b";" * 90_000,
        b"DKIM-Signature: " + b"b=" * 45_000,
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r1; b=AAAA; bh=" + b"A" * 43
        + b"=; h=from" + b":x" * 45_000,
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r1; c=relaxed; b=AAAA; bh="
        + b"A" * 43 + b"=; h=from" + b":to" * 30_000 + b"\r\n" + b"To: a  b \t c\r\n" * 900,
        (b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r1; c=relaxed; b=AAAA; bh="
        + b"A" * 43 + b"=; h=from:x\r\n") * 10 + b"X: " + b" \t" * 45_000,
        b"DKIM-Signature: " + b"a=\r\n " * 18_000,
    ],
)  # fmt: skip
def test_a_hostile_header_costs_little(header: bytes) -> None:
    """Fields of 90 KB, 45,000 names, and 900 fields named 30,000 times take a blink of CPU."""
    message = header + b"\r\nFrom: ann@example.org\r\n\r\n" + b" \r\n" * 300_000
    started = time.process_time()
    results = verify(message)
    assert results
    assert not any(each.is_pass for each in results)
    assert time.process_time() - started < 6


def test_hostile_mail_does_not_hold_up_the_loop() -> None:
    """Ten signatures that each leave out another part of a MiB let others run meanwhile."""
    fields = b"".join(
        f"DKIM-Signature: {with_tag('l', str(1000 * length))}; b=AAAA\r\n".encode().replace(
            b"{bh}", base64.b64encode(bytes(32))
        )
        for length in range(10)
    )
    message = fields + MESSAGE + b"a \t b\r\n" * 130_000
    gaps: list[float] = []

    async def heartbeat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            gaps.append(time.perf_counter() - before)

    async def main() -> None:
        beating = asyncio.create_task(heartbeat())
        await asyncio.sleep(0)
        results = await dkim.verify(message, ALL_KEYS, now=NOW)
        beating.cancel()
        assert [each.result.value for each in results] == ["fail"] * 10

    asyncio.run(main())
    assert max(gaps) < 0.5


def test_a_header_that_no_server_takes_is_refused() -> None:
    """A header of a MiB is refused at once."""
    with pytest.raises(HeaderRefused):
        verify(b"X: " + b"a" * 1_000_000 + b"\r\n\r\n")


def test_signing_is_safe_from_several_threads() -> None:
    """One signer signs in many threads, and each gets what belongs to its message."""
    signer = dkim.Signer([RSA, ED25519])

    def sign(number: int) -> bytes:
        message = MESSAGE + b"%d\r\n" % number
        header = scan_header(message)
        body = signer.hashes()
        body.feed(message[header.size :])
        return signer.sign(header, body, now=NOW) + message

    with ThreadPoolExecutor(4) as pool:
        for message in pool.map(sign, range(40)):
            assert all(each.is_pass for each in verify(message))


def test_rsa_is_plain_pkcs1() -> None:
    """The RSA signature is what bare `cryptography` makes over the same octets."""
    fields = dkim.sign(MESSAGE, [RSA], now=NOW)
    signature = base64.b64decode(re.sub(rb"\s", b"", fields.rpartition(b"b=")[2]))
    header = scan_header(fields + MESSAGE)
    relaxed = dkim.Canonicalization.RELAXED
    names = signed_names(scan_header(MESSAGE))
    octets = HeaderFields(header).canonical(names, relaxed)
    octets += canonical_field(without_signature(fields), relaxed).removesuffix(b"\r\n")
    key = RSA.private_key
    assert isinstance(key, rsa.RSAPrivateKey)
    key.public_key().verify(signature, octets, padding.PKCS1v15(), hashes.SHA256())
    assert len(public_octets(key)) == 294
