"""DANE: which records bind, and which chains fit."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.mailauth.dane import Plan, match_chain, plan, tlsa_name
from pillarbox.mailauth.resolver import Answer, Outcome, TlsaRecord

HOST = "mx.example.org"
ROOT = trustme.CA()
MIDDLE = ROOT.create_child_ca()
LEAF = MIDDLE.issue_cert(HOST, "*.wild.example.org")
PAST = datetime(2020, 1, 1, tzinfo=UTC)
EXPIRED = MIDDLE.issue_cert(HOST, not_before=PAST, not_after=PAST + timedelta(days=9))
OTHER = trustme.CA()
NOW = datetime(2026, 11, 21, tzinfo=UTC).timestamp()


def der(pem: trustme.Blob) -> bytes:
    return x509.load_pem_x509_certificate(pem.bytes()).public_bytes(Encoding.DER)


def key(certificate: bytes) -> bytes:
    public = x509.load_der_x509_certificate(certificate).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def chain(leaf: trustme.LeafCert) -> list[bytes]:
    return [der(blob) for blob in leaf.cert_chain_pems]


ROOT_DER = der(ROOT.cert_pem)
WIRE = [*chain(LEAF), ROOT_DER]
LEAF_DER, MIDDLE_DER = WIRE[0], WIRE[1]


def record(usage: int, selector: int, matching: int, certificate: bytes) -> TlsaRecord:
    octets = key(certificate) if selector else certificate
    digest = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}
    return TlsaRecord(usage, selector, matching, digest[matching])


def answer(*records: TlsaRecord, is_authenticated: bool = True) -> Answer[TlsaRecord]:
    return Answer(
        name=tlsa_name(HOST),
        type="TLSA",
        outcome=Outcome.FOUND,
        records=records,
        is_authenticated=is_authenticated,
    )


def negative(outcome: Outcome) -> Answer[TlsaRecord]:
    return Answer(name="x", type="TLSA", outcome=outcome, is_authenticated=True)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "certificate"), [(3, LEAF_DER), (2, MIDDLE_DER), (2, ROOT_DER)])
def test_chains_fit_in_every_form(
    usage: int, certificate: bytes, selector: int, matching: int
) -> None:
    """RFC 7671 §5: usages 2 and 3, whole certificates and keys, in full or as a digest."""
    wanted = plan(answer(record(usage, selector, matching, certificate)), host_is_secure=True)
    assert wanted.plan is Plan.AUTHENTICATE
    found = match_chain(wanted.records, WIRE, [HOST], now=NOW)
    assert found.matches, found.reason
    assert "fits" in found.reason


@pytest.mark.parametrize(("selector", "matching"), [(0, 0), (1, 0)])
def test_the_anchor_need_not_be_sent_when_dns_has_it(selector: int, matching: int) -> None:
    """RFC 7671 §5.2.2: a whole anchor in DNS, or its bare key, may be missing from the chain."""
    anchor = record(2, selector, matching, ROOT_DER)
    assert match_chain([anchor], WIRE[:2], [HOST], now=NOW).matches
    assert not match_chain([record(2, 0, 1, ROOT_DER)], WIRE[:2], [HOST], now=NOW).matches


def test_usage_3_looks_at_the_key_alone() -> None:
    """RFC 7672 §3.1.1: names and dates do not count for DANE-EE."""
    expired = chain(EXPIRED)
    assert match_chain([record(3, 1, 1, expired[0])], expired, ["other.example"], now=NOW).matches


@pytest.mark.parametrize(
    ("wire", "names", "result_type"),
    [
        (WIRE, ["other.example"], "certificate-host-mismatch"),
        (WIRE, ["a.b.wild.example.org"], "certificate-host-mismatch"),
        ([*chain(EXPIRED), ROOT_DER], [HOST], "certificate-expired"),
        (chain(OTHER.issue_cert(HOST)), [HOST], "validation-failure"),
        ([LEAF_DER], [HOST], "validation-failure"),
        ([], [HOST], "validation-failure"),
        ([b"nonsense"], [HOST], "validation-failure"),
    ],
)
def test_usage_2_looks_at_names_dates_and_the_path(
    wire: list[bytes], names: list[str], result_type: str
) -> None:
    """RFC 7672 §3.1.2: DANE-TA is as strict as any authority, and a failure has a name."""
    found = match_chain([record(2, 0, 1, ROOT_DER)], wire, names, now=NOW)
    assert not found.matches
    assert found.result_type == result_type


def test_one_of_several_names_and_records_is_enough() -> None:
    """A wildcard is one label, and a rollover has the old and the new record side by side."""
    records = [record(2, 0, 1, der(OTHER.cert_pem)), record(2, 1, 1, ROOT_DER)]
    names = ["example.org", "a.wild.example.org"]
    assert match_chain(records, WIRE, names, now=NOW).matches


def test_a_leaf_is_no_authority() -> None:
    """A certificate below the anchor that is not an authority issues nothing; nor does usage 2
    name the server's own.
    """
    assert not match_chain([record(2, 0, 1, LEAF_DER)], WIRE, [HOST], now=NOW).matches
    assert not match_chain([record(3, 0, 1, MIDDLE_DER)], WIRE, [HOST], now=NOW).matches


def test_the_path_is_found_in_any_order() -> None:
    """Servers that send their chain in the wrong order are understood."""
    wire = [LEAF_DER, ROOT_DER, der(OTHER.cert_pem), MIDDLE_DER]
    assert match_chain([record(2, 0, 2, ROOT_DER)], wire, [HOST], now=NOW).matches


GOOD = record(3, 1, 1, LEAF_DER)


@pytest.mark.parametrize(
    ("said", "secure", "wanted"),
    [
        (answer(GOOD), True, Plan.AUTHENTICATE),
        (answer(GOOD), False, Plan.NOTHING),
        (answer(GOOD, is_authenticated=False), True, Plan.NOTHING),
        (negative(Outcome.NO_SUCH_NAME), True, Plan.NOTHING),
        (negative(Outcome.NO_SUCH_DATA), True, Plan.NOTHING),
        (negative(Outcome.UNAVAILABLE), True, Plan.DEFER),
        (negative(Outcome.UNAVAILABLE), False, Plan.NOTHING),
        (answer(record(1, 1, 1, LEAF_DER)), True, Plan.ENCRYPT),
        (answer(record(0, 0, 1, LEAF_DER)), True, Plan.ENCRYPT),
        (answer(TlsaRecord(3, 2, 1, bytes(32))), True, Plan.ENCRYPT),
        (answer(TlsaRecord(3, 1, 3, bytes(32))), True, Plan.ENCRYPT),
        (answer(TlsaRecord(9, 1, 1, bytes(32))), True, Plan.ENCRYPT),
        (answer(TlsaRecord(3, 1, 1, bytes(31)), GOOD), True, Plan.AUTHENTICATE),
    ],
)
def test_the_plan_for_a_host(said: Answer[TlsaRecord], secure: bool, wanted: Plan) -> None:
    """RFC 7672 §2.2: what is signed binds, what is blocked defers, what is unusable encrypts."""
    assert plan(said, host_is_secure=secure).plan is wanted


@pytest.mark.parametrize("octets", range(21))
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("usage", [2, 3])
def test_records_of_wrong_lengths_are_unusable(usage: int, matching: int, octets: int) -> None:
    """Data of 0 to 20 octets is no digest, no key and no certificate, and breaks nothing."""
    for selector in (0, 1):
        said = answer(TlsaRecord(usage, selector, matching, bytes(octets)))
        found = plan(said, host_is_secure=True)
        assert found.plan is Plan.ENCRYPT
        assert found.unusable


def test_a_huge_set_of_records_is_bounded() -> None:
    """Only so many records of a name are looked at."""
    many = [TlsaRecord(3, 1, 1, bytes([n % 256]) * 32) for n in range(1000)]
    assert len(plan(answer(*many), host_is_secure=True).records) <= 40
