"""TLS reports: who wants them, what is counted, what is written and read."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from pillarbox.mailauth.tls_rpt import (
    MAX_REPORT_OCTETS,
    Failure,
    PolicyKey,
    PolicyType,
    ReportError,
    ResultType,
    Tally,
    build_report,
    parse_addresses,
    parse_report,
    record_name,
    report_filename,
    report_subject,
)

KEY = PolicyKey(
    PolicyType.STS, "example.org", ("version: STSv1", "mode: enforce"), ("*.example.org",)
)
EXPIRED = Failure(
    result_type=ResultType.CERTIFICATE_EXPIRED.value,
    sending_ip="192.0.2.1",
    receiving_mx="mx.example.org",
    receiving_ip="192.0.2.9",
    reason="not after 2020-01-01",
)


def built(*tallies: tuple[PolicyKey, Tally]) -> bytes:
    return build_report(
        tallies,
        organization="Us",
        contact="tls@us.example",
        report_id="2026-11-20T00:00:00Z_example.org",
        start=1_795_132_800.0,
        end=1_795_219_199.0,
    )


@pytest.mark.parametrize(
    ("records", "addresses"),
    [
        ([], ()),
        ([b"v=TLSRPTv1;rua=mailto:a@b.example"], ("mailto:a@b.example",)),
        (
            [b"v=TLSRPTv1; rua=mailto:a@b.example,https://c.example/r ; x=y;"],
            ("mailto:a@b.example", "https://c.example/r"),
        ),
        ([b"v=TLSRPTv1; rua=http://c.example/,ftp://d,mailto:nobody,https://"], ()),
        ([b"v=TLSRPTv1; rua=https://[::1,mailto:a@b c"], ()),
        ([b"v=TLSRPTv1; rua=mailto:a@b", b"v=TLSRPTv1; rua=mailto:c@d"], ()),
        ([b"v=TLSRPTv2; rua=mailto:a@b"], ()),
        ([b"v=TLSRPTv1; rua=" + b"mailto:a@b," * 999], ("mailto:a@b",) * 10),
    ],
)
def test_who_wants_reports(records: list[bytes], addresses: tuple[str, ...]) -> None:
    """RFC 8460 §3: one record, its mailto and https addresses, at most ten."""
    assert parse_addresses(records) == addresses


def test_what_is_counted_is_reported() -> None:
    """A day's sessions come out of the report as they were counted."""
    tally, more = Tally(), Tally()
    for _ in range(3):
        tally.succeed()
    tally.fail(EXPIRED)
    more.fail(EXPIRED)
    tally.add(more)
    report = parse_report(built((KEY, tally), (PolicyKey(PolicyType.NONE, "b.example"), Tally())))
    first, second = report.policies
    assert (first.policy, first.successes, first.failed) == (KEY, 3, 2)
    assert first.failures == ((EXPIRED, 2),)
    assert (second.successes, second.failures) == (0, ())
    assert (report.start, report.end) == (1_795_132_800.0, 1_795_219_199.0)


def test_the_report_has_the_names_of_the_rfc() -> None:
    """RFC 8460 §4.4: the members are spelled as receivers look for them."""
    tally = Tally()
    tally.fail(EXPIRED)
    written = json.loads(built((KEY, tally)))
    assert written["date-range"]["start-datetime"] == "2026-11-20T00:00:00Z"
    policy = written["policies"][0]
    assert policy["policy"]["policy-string"] == list(KEY.lines)
    assert policy["summary"]["total-failure-session-count"] == 1
    assert policy["failure-details"][0]["receiving-mx-hostname"] == "mx.example.org"


def test_a_tally_is_bounded() -> None:
    """However many hosts fail, memory holds; the counts stay right."""
    tally = Tally()
    for number in range(5000):
        tally.fail(Failure(result_type="validation-failure", receiving_mx=f"mx{number}.example"))
    assert tally.failed == 5000
    assert len(tally.failures) < 1100


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        b" " * (MAX_REPORT_OCTETS + 1),
        built((KEY, Tally())).replace(b'"sts"', b'"new"'),
        built((KEY, Tally())).replace(b"2026-11-20T00:00:00Z", b"yesterday", 1),
        built((KEY, Tally())).replace(b'"total-successful-session-count":0', b'"x":0'),
        built((KEY, Tally())).replace(b'session-count":0', b'session-count":-1'),
    ],
)
def test_what_is_no_report_is_refused(octets: bytes) -> None:
    """Nonsense, depth and size are refused cleanly."""
    with pytest.raises(ReportError):
        parse_report(octets)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_any_octets_are_a_report_or_refused(octets: bytes) -> None:
    """Reading a stranger's report raises nothing but its own error."""
    with contextlib.suppress(ReportError):
        parse_report(octets)


def test_names_of_reports() -> None:
    """RFC 8460 §5: what programs look for in names and subjects."""
    assert record_name("Example.org") == "_smtp._tls.example.org"
    assert (
        report_filename("us.example", "example.org", 1.5, 2.0)
        == "us.example!example.org!1!2.json.gz"
    )
    assert report_subject("us.example", "a.b", "1") == (
        "Report Domain: a.b Submitter: us.example Report-ID: <1>"
    )


def test_octets_that_are_no_text_are_refused() -> None:
    """JSON is UTF-8; what is not is no report."""
    with pytest.raises(ReportError, match="it is no TLS report"):
        parse_report(b'{"organization-name": "\x80"}')
