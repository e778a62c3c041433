"""Authentication-Results: what is written is read again, whatever strangers put into it."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pillarbox.mailauth.authres import (
    AuthenticationResults,
    MethodResult,
    Property,
    authentication_results,
    forged_fields,
    parse_results,
)
from pillarbox.message.header import scan_header

# What comes through unchanged: printable and short. The unit tests see to the rest.
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
WILD = st.one_of(st.text(max_size=60), st.text('"\\;()\r\n é', max_size=60), st.just("ü" * 500))
WORD = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)


def results(values: st.SearchStrategy[str]) -> st.SearchStrategy[AuthenticationResults]:
    """Return fields with such values."""
    properties = st.builds(Property, WORD, WORD, values)
    methods = st.builds(
        MethodResult,
        WORD.filter(lambda word: word != "none"),
        WORD,
        st.lists(properties, max_size=3).map(tuple),
        values,
    )
    names = st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){1,3}", fullmatch=True)
    return st.builds(AuthenticationResults, names, st.lists(methods, max_size=3).map(tuple))


@given(results(PLAIN))
def test_what_is_written_is_read_again(said: AuthenticationResults) -> None:
    """Printing and reading are inverse."""
    field = authentication_results(said)
    assert parse_results(field.partition(b":")[2]) == said


@given(results(WILD), st.booleans())
def test_any_value_stays_in_its_place(said: AuthenticationResults, is_utf8: bool) -> None:
    """Whatever the values are, it is one field of short lines that says as many things."""
    field = authentication_results(said, is_utf8=is_utf8)
    assert scan_header(field + b"\r\n").names == (b"authentication-results",)
    assert max(map(len, field.split(b"\r\n"))) <= 998
    assert is_utf8 or field.isascii()
    read = parse_results(field.partition(b":")[2])
    assert read is not None
    assert [(one.method, one.result, len(one.properties)) for one in read.results] == [
        (one.method, one.result, len(one.properties)) for one in said.results
    ]


@given(results(WILD), st.booleans())
def test_our_own_field_is_always_recognized(said: AuthenticationResults, is_utf8: bool) -> None:
    """A field as we write it would be cut out if it came in."""
    field = authentication_results(said, is_utf8=is_utf8)
    cuts = forged_fields(scan_header(field + b"\r\n"), said.authserv_id.upper())
    assert cuts == (slice(0, len(field)),)


@given(st.binary(max_size=300))
def test_no_field_crashes(octets: bytes) -> None:
    """Any octets are a field that says something, or none."""
    parse_results(octets)
    forged_fields(scan_header(b"Authentication-Results: " + octets), "mx.example.org")
