"""Address lists of header fields."""

from __future__ import annotations

import time

import pytest

from pillarbox.message.address_list import parse_address_list


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        (b"a@b.example", ["a@b.example"]),
        (b'Ann <a@b>, Bob B. Foo <"x y"@[192.0.2.1]>', ["a@b", '"x y"@[192.0.2.1]']),
        (b"team: a@b, c@d;, e@f", ["a@b", "c@d", "e@f"]),
        (b"undisclosed-recipients:;", []),
        (b"pete(his (own) account)@silly.test(his host)", ["pete@silly.test"]),
        (b"<@x,@y:a@b>", ["a@b"]),
        (b",, a@b ,", ["a@b"]),
        (b'"Smith, Ann" <ann@b>', ["ann@b"]),
        (b"a@b,\r\n\tc@d", ["a@b", "c@d"]),
        ("žan <žan@ž.example>".encode(), ["žan@ž.example"]),
        (b'"a\\"b"@c', ['"a\\"b"@c']),
        (b"", []),
    ],
)
def test_well_formed_lists_are_read(value: bytes, mailboxes: list[str]) -> None:
    """Names, groups, comments, quoted strings, literals and obsolete routes are understood."""
    parsed = parse_address_list(value)
    assert parsed.error == ""
    assert [str(mailbox) for mailbox in parsed.mailboxes] == mailboxes


@pytest.mark.parametrize(
    "value",
    [
        b"alice@allowed.org)bob@evil.com",
        b"alice@allowed.org bob@evil.com",
        b"alice@allowed.org <bob@evil.com>",
        b"<alice@allowed.org>bob@evil.com",
        b"alice@allowed.org@evil.com",
        b'"alice@allowed.org" bob@evil.com',
        b"a..b@c",
        b".a@c",
        b"a@b.",
        b"a@",
        b"@b",
        b"<>",
        b"ann",
        b"g: h: a@b;;",
        b"g: a@b",
        b"a@b;",
        b'a@"b"',
        b"a@b\x00",
        b"\xff@b",
        b"(" * 20_000,
        b'"' * 3,
        b"<" * 1_000,
        b"a@[" + b"[" * 100,
    ],
)
def test_what_two_readers_could_take_for_two_addresses_is_an_error(value: bytes) -> None:
    """CVE-2023-27043: no guess, no exception, and no recursion; no address comes out."""
    parsed = parse_address_list(value)
    assert parsed.error
    assert parsed.addresses == ()


def test_encoded_words_are_never_decoded_in_an_address() -> None:
    """F03: an encoded ``@`` stays a part of the local part."""
    (mailbox,) = parse_address_list(b"=?utf-8?q?a=40evil?=x@good.example").mailboxes
    assert mailbox.domain == "good.example"
    assert "@" not in mailbox.local_part


def test_names_and_groups_are_kept() -> None:
    """Display names are unquoted, and members know their group."""
    parsed = parse_address_list(b'Team A: "Smith, Ann" <a@b>, J. Q. Public <j@b>;')
    assert parsed.has_group
    assert [(a.name, a.group) for a in parsed.addresses] == [
        ("Smith, Ann", "Team A"),
        ("J. Q. Public", "Team A"),
    ]


K = 100 * 1024 // 8


@pytest.mark.parametrize(
    "value",
    [
        b"a@b,    " * K,
        b"x <a@b>," * K,
        b"g:;,g:;," * K,
        b"g:a@b;, " * K,
        b"........" * K,
        b"a . b . " * K,
        b'"a" "b" ' * K,
        b'"a"."b".' * K,
        b"a(b)a(b)" * K,
        b"(())(())" * K,
        b"()()()()" * K,
        b"(" * 4 * K + b")" * 4 * K,
        b"(\\((\\((\\" * K,
        b'"' + b'\\"\\"\\"\\"' * (K - 1),
        b'("("("("' * K,
        b"<" + b"@a,@a,@," * (K - 1),
        b"=?=?=?=?" * K,
        b"a@[[[[[[" * K,
    ],
)
def test_hostile_lists_cost_little(value: bytes) -> None:
    """A mebibyte would cost some seconds at most, whatever is in it."""
    began = time.process_time()
    parse_address_list(value)
    assert time.process_time() - began < 0.2 + 8 * len(value) / 2**20
