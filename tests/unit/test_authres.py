"""Authentication-Results: written so that nobody breaks out, read, and removed where forged."""

from __future__ import annotations

import re
import time

import pytest

from pillarbox.mailauth.authres import (
    AuthenticationResults,
    MethodResult,
    Property,
    arc_authentication_results,
    authentication_results,
    forged_fields,
    parse_authserv_id,
    parse_results,
)
from pillarbox.message.header import scan_header


def said(*results: MethodResult) -> AuthenticationResults:
    return AuthenticationResults("mx.example.org", results)


def read(field: bytes) -> AuthenticationResults:
    parsed = parse_results(field.partition(b":")[2])
    assert parsed is not None
    return parsed


def test_a_field_without_results_says_none() -> None:
    """A field of a message for which nothing was checked says so (RFC 8601 §2.2)."""
    field = authentication_results(said())
    assert field == b"Authentication-Results: mx.example.org;\r\n\tnone\r\n"
    assert read(field) == said()


def test_each_result_stands_on_a_line_of_its_own() -> None:
    """Results are folded so that people can read them."""
    field = authentication_results(
        said(
            MethodResult("spf", "pass", (Property("smtp", "mailfrom", "ann@example.net"),)),
            MethodResult(
                "dkim",
                "fail",
                (Property("header", "d", "example.net"), Property("header", "s", "sel")),
                reason="the body was changed",
            ),
        )
    )
    assert field.decode() == (
        "Authentication-Results: mx.example.org;\r\n"
        "\tspf=pass smtp.mailfrom=ann@example.net;\r\n"
        '\tdkim=fail reason="the body was changed" header.d=example.net header.s=sel\r\n'
    )


def test_an_arc_field_begins_with_its_instance() -> None:
    """The results of an ARC set carry the instance first (RFC 8617 §4.1.1)."""
    field = arc_authentication_results(said(MethodResult("spf", "none")), 3)
    assert field == (b"ARC-Authentication-Results: i=3; mx.example.org;\r\n\tspf=none\r\n")


@pytest.mark.parametrize(
    "hostile",
    [
        "a@b.c\r\nBcc: everybody@example.org",
        'x"; dmarc=pass header.from=bank.example; x="',
        "x (comment; dmarc=pass",
        "x\\",
        'x\\"; dmarc=pass',
        "\x00\x1b[31m",
        "ann@exa mple.org; dkim=pass",
        " ",
        "",
        "=" * 10,
        "a;b",
        "\u2028x",
    ],
)
@pytest.mark.parametrize("place", ["value", "reason", "comment", "name"])
def test_what_strangers_chose_cannot_break_out(hostile: str, place: str) -> None:
    """No value that a stranger chose adds a result, a line or a field."""
    result = MethodResult(
        "spf",
        "fail",
        (Property("smtp", "mailfrom", hostile if place == "value" else "a@b.c"),),
        reason=hostile if place == "reason" else "",
        comment=hostile if place == "comment" else "",
    )
    name = hostile if place == "name" else "mx.example.org"
    field = authentication_results(AuthenticationResults(name, (result,)))
    assert field.endswith(b"\r\n")
    assert scan_header(field + b"\r\n").names == (b"authentication-results",)
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", field)
    parsed = read(field)
    assert [found.method for found in parsed.results] == ["spf"]
    assert [found.key for found in parsed.results[0].properties] == ["smtp.mailfrom"]


def test_utf8_is_written_only_where_the_message_has_it() -> None:
    """Without SMTPUTF8 the header stays ASCII: A-labels, and no local part (RFC 8616 §6)."""
    result = MethodResult("spf", "pass", (Property("smtp", "mailfrom", "jörg@bücher.example"),))
    plain = authentication_results(said(result))
    assert plain.isascii()
    assert b"smtp.mailfrom=@xn--bcher-kva.example" in plain
    assert "smtp.mailfrom=jörg@bücher.example".encode() in authentication_results(
        said(result), is_utf8=True
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" mx.example.org; none", ()),
        (b" mx.example.org 1; none;", ()),
        (
            (
                b' "mx.example.org" (a (nested) comment) 1 ; SPF=Pass (sender ok) '
                b'reason="it \\"is\\"" smtp.mailfrom=ann@example.net'
            ),
            (
                MethodResult(
                    "spf",
                    "pass",
                    (Property("smtp", "mailfrom", "ann@example.net"),),
                    'it "is"',
                ),
            ),
        ),
        (
            b" mx.example.org; dkim=pass header.i=@example.net header.b=abc/+==;\r\n dmarc=fail",
            (
                MethodResult(
                    "dkim",
                    "pass",
                    (Property("header", "i", "@example.net"), Property("header", "b", "abc/+==")),
                ),
                MethodResult("dmarc", "fail"),
            ),
        ),
        (
            b' mx.example.org; spf=pass smtp.mailfrom="odd one"@example.net',
            (MethodResult("spf", "pass", (Property("smtp", "mailfrom", "odd one@example.net"),)),),
        ),
        (
            b" mx.example.org; spf=pass smtp.mailfrom=list+ann=example.net@example.org",
            (
                MethodResult(
                    "spf",
                    "pass",
                    (Property("smtp", "mailfrom", "list+ann=example.net@example.org"),),
                ),
            ),
        ),
    ],
)
def test_fields_of_others_are_read(value: bytes, expected: tuple[MethodResult, ...]) -> None:
    """What other servers write is understood."""
    parsed = parse_results(value)
    assert parsed is not None
    assert parsed.authserv_id == "mx.example.org"
    assert parsed.results == expected


@pytest.mark.parametrize(
    "value",
    [b"", b" ;", b" mx; spf", b" mx; =pass", b" mx; spf=pass smtp.x", b" mx; (", b' "mx', b"\xff"],
)
def test_malformed_fields_are_nothing(value: bytes) -> None:
    """A field that breaks the grammar says nothing at all."""
    assert parse_results(value) is None


@pytest.mark.parametrize(
    ("field", "is_forged"),
    [
        (b"Authentication-Results: mx.example.org; dmarc=pass", True),
        (b"AUTHENTICATION-RESULTS : MX.Example.ORG.; dmarc=pass", True),
        (b"Authentication-Results: (x)\r\n mx.example.org 1; dmarc=pass", True),
        (b'Authentication-Results: "mx.example.org"; dmarc=pass', True),
        (b"Authentication-Results: mx.(x)example.org; dmarc=pass", True),
        (b"Authentication-Results: mx.example.org", True),
        (b"Authentication-Results: (unclosed mx.example.org; dmarc=pass", True),
        (b"Authentication-Results: \xff mx.example.org; dmarc=pass", True),
        (b"Authentication-Results: other.example.org; dmarc=pass", False),
        (b"Authentication-Results: mx.example.organic; dmarc=pass", False),
        (b"ARC-Authentication-Results: i=1; mx.example.org; dmarc=pass", False),
        (b"X-Results: mx.example.org; dmarc=pass", False),
    ],
)
def test_forged_fields_are_found(field: bytes, is_forged: bool) -> None:
    """A field that says it is ours is cut out whole; others stay (RFC 8601 §5)."""
    before, after = b"Subject: one\r\n", b"\r\nTo: two\r\n\r\n"
    octets = before + field + after
    cuts = forged_fields(scan_header(octets), "mx.example.org")
    assert [octets[cut] for cut in cuts] == ([field + b"\r\n"] if is_forged else [])


def test_our_name_in_u_labels_is_ours() -> None:
    """A forger cannot hide behind the other spelling of our name (RFC 8616 §6)."""
    octets = "Authentication-Results: mx.bücher.example; dmarc=pass\r\n\r\n".encode()
    assert len(forged_fields(scan_header(octets), "mx.xn--bcher-kva.example")) == 1


@pytest.mark.parametrize(
    "filler", [b"(", b"()", b'"', b"\\", b"a=b ", b";", b"; a=b", b"x ", b"=", b"\r\n ", b"(\\"]
)
def test_hostile_values_cost_little(filler: bytes) -> None:
    """A field of a hundred kilobytes is read in a fraction of a second."""
    value = b"mx.example.org; spf=pass " + filler * (100_000 // len(filler))
    began = time.process_time()
    parse_results(value)
    parse_authserv_id(value)
    assert time.process_time() - began < 4.0
