"""MTA-STS: the record, the policy, the match, the cache."""

from __future__ import annotations

import pytest

from pillarbox.mailauth.mta_sts import (
    MAX_AGE_SECONDS,
    MAX_POLICY_OCTETS,
    CachedPolicy,
    Mode,
    Policy,
    StsError,
    StsRecord,
    is_policy_media_type,
    needs_fetch,
    parse_policy,
    parse_record,
    policy_url,
    record_name,
)

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\n"
POLICY += b"max_age: 604800\r\n"


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([], None),
        ([b"v=spf1 -all"], None),
        ([b"v=STSv1"], None),
        ([b"v=STSv2; id=1;"], None),
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        ([b"v=STSv1;id=1"], "1"),
        ([b"v=STSv1 ;  id=1 ; a=b;"], "1"),
        ([b"other", b"v=STSv1; id=1;"], "1"),
        ([b"v=STSv1; id=1; id=2;"], "1"),
    ],
)
def test_the_record_says_which_policy(records: list[bytes], found: str | None) -> None:
    """RFC 8461 §3.1: the one record that begins with the version counts."""
    record = parse_record(records)
    assert (record and record.id) == found


@pytest.mark.parametrize(
    "records",
    [
        [b"v=STSv1; id=1;", b"v=STSv1; id=2;"],
        [b"v=STSv1;"],
        [b"v=STSv1; id=;"],
        [b"v=STSv1; id=" + b"1" * 33],
        [b"v=STSv1; id=a-b;"],
        [b"v=STSv1; nonsense; id=1"],
        [b"v=STSv1; id=\xff;"],
        [b"v=STSv1;; id=1"],
    ],
)
def test_a_record_that_cannot_be_read_is_said(records: list[bytes]) -> None:
    """A domain that publishes nonsense hears of it in its TLS report."""
    with pytest.raises(StsError):
        parse_record(records)


def test_a_policy_is_read_and_written() -> None:
    """What is read from a policy is written again as the same policy."""
    policy = parse_policy(POLICY)
    assert policy == Policy(
        mode=Mode.ENFORCE, max_age=604_800, mx=("mail.example.com", "*.example.net")
    )
    assert parse_policy(str(policy).encode()) == policy
    assert str(policy).count("\r\n") == 5


@pytest.mark.parametrize(
    ("body", "mode"),
    [
        (b"version: STSv1\nmode: none\nmax_age: 0", Mode.NONE),
        (b"version:STSv1\nmode:\ttesting  \nmx: a.example\nmax_age: 1\n\n", Mode.TESTING),
        (b"version: STSv1\nmode: enforce\nmode: none\nmx: a.b\nmax_age: 1", Mode.ENFORCE),
        ("version: STSv1\nmode: none\nmax_age: 1\nnote: \u00fc".encode(), Mode.NONE),
    ],
)
def test_policies_may_be_written_in_many_ways(body: bytes, mode: Mode) -> None:
    """RFC 8461 §3.2: LF or CRLF, unknown keys passed over, the first of equal keys counts."""
    assert parse_policy(body).mode is mode


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"<html>not found</html>",
        b"mode: enforce\nmx: a.b\nmax_age: 1",
        b"version: STSv2\nmode: enforce\nmx: a.b\nmax_age: 1",
        b"version: STSv1\nmode: enforce\nmax_age: 1",
        b"version: STSv1\nmode: must\nmx: a.b\nmax_age: 1",
        b"version: STSv1\nmode: enforce\nmx: a.b",
        b"version: STSv1\nmode: enforce\nmx: a.b\nmax_age: -1",
        b"version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 1e9",
        b"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1",
        b"version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1",
        b"version: STSv1\nmode: enforce\nmx: .a.b\nmax_age: 1",
        b"version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1",
        b"version: STSv1\nmode: none\nmax_age: 1\n" + b"x" * MAX_POLICY_OCTETS,
        b"version: STSv1\nmode: none\nmax_age: 1\n"
        + b"".join(b"mx: a%d.b\n" % n for n in range(999)),
    ],
)
def test_policies_that_cannot_be_used_are_refused(body: bytes) -> None:
    """A policy with a mistake is no policy, and the mistake has a name."""
    with pytest.raises(StsError) as refused:
        parse_policy(body)
    assert refused.value.result_type == "sts-policy-invalid"


def test_the_age_of_a_policy_is_capped() -> None:
    """RFC 8461 §3.2: a year is the most, however many digits there are."""
    body = b"version: STSv1\nmode: none\nmax_age: "
    assert parse_policy(body + b"9" * 5000).max_age == MAX_AGE_SECONDS
    assert parse_policy(body + b"1000000000000").max_age == MAX_AGE_SECONDS


@pytest.mark.parametrize(
    ("host", "matches"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("mx.mail.example.com", False),
        ("example.com", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        (".example.net", False),
        ("", False),
    ],
)
def test_exchangers_are_matched(host: str, matches: bool) -> None:
    """RFC 8461 §4.1: a star is one label, no less and no more."""
    policy = parse_policy(POLICY)
    assert policy.matches(host) is matches


def test_names_of_a_policy() -> None:
    """A domain in U-labels is asked for in A-labels."""
    assert policy_url("b\u00fccher.example").startswith("https://mta-sts.xn--bcher-kva.example/")
    assert record_name("Example.org") == "_mta-sts.example.org"
    assert is_policy_media_type("Text/Plain; charset=utf-8")
    assert not is_policy_media_type("text/html")


def test_a_policy_is_fetched_when_it_may_have_changed() -> None:
    """RFC 8461 §5.1: a new id or the end of its life; not without a record, not after a failure."""
    policy = Policy(mode=Mode.ENFORCE, max_age=100, mx=("a.b",))
    cached = CachedPolicy(domain="b", id="1", fetched_at=1000.0, policy=policy)
    same, new = StsRecord("1"), StsRecord("2")
    assert needs_fetch(None, same, 1000.0)
    assert not needs_fetch(None, None, 1000.0)
    assert not needs_fetch(cached, same, 1099.0)
    assert needs_fetch(cached, new, 1099.0)
    assert needs_fetch(cached, same, 1100.0)
    assert not needs_fetch(cached, new, 1099.0, failed_at=1000.0)
    assert cached.is_live(1099.0)
    assert not cached.is_live(1100.0)
