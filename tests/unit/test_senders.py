"""Whose sender addresses are, and that a header names no others."""

from __future__ import annotations

import pytest

from pillarbox.message.header import scan_header
from pillarbox.policy.authors import check_authors
from pillarbox.policy.senders import NOBODY, NoSenderPattern, Senders, own_address
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import parse_mailbox

SENDERS = Senders(
    ["ann@example.org", "news-*@example.org", "@acme.test", "@*.tenants.test", "@bücher.example"]
)


@pytest.mark.parametrize(
    ("sender", "is_owned"),
    [
        ("ann@example.org", True),
        ("ANN@EXAMPLE.ORG", True),
        ("ann+x@example.org", False),
        ("annx@example.org", False),
        ("ann@example.org.evil.test", False),
        ("ann@sub.example.org", False),
        ("news-1@example.org", True),
        ("news-@example.org", True),
        ("xnews-1@example.org", False),
        ("anybody@acme.test", True),
        ("x@sub.acme.test", False),
        ("x@a.tenants.test", True),
        ("x@a.b.tenants.test", True),
        ("x@tenants.test", False),
        ("x@eviltenants.test", False),
        ("x@xn--bcher-kva.example", True),
        ('"ann@example.org"@evil.test', False),
        ('"news-1@example.org,x"@example.org', True),
    ],
)
def test_patterns_own_what_they_say_and_nothing_else(sender: str, is_owned: bool) -> None:
    """Exact, domain, below a domain and wildcard; compared by A-labels and without case."""
    assert (parse_mailbox(sender) in SENDERS) == is_owned


def test_the_null_reverse_path_is_a_pattern_of_its_own() -> None:
    """Only <> and * hold it."""
    assert None not in SENDERS
    assert None in Senders(["<>"])
    assert None in Senders(["*"])


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "ann",
        "@",
        "*@*",
        "ann@*.example.org",
        "<ann@example.org>",
        "a b@c.test",
        "@x.",
        "a*b*c*@x",
    ],
)
def test_malformed_patterns_are_refused(pattern: str) -> None:
    """What two readers could take for two things is no pattern."""
    with pytest.raises(NoSenderPattern):
        Senders([pattern])


def test_sets_are_values() -> None:
    """Equal patterns make equal sets, and two sets can be joined."""
    assert Senders(["@a.test"]) == Senders(["@a.test"])
    assert hash(Senders(["@a.test"])) == hash(Senders(["@a.test"]))
    both = Senders(["@a.test"]) | Senders(["@b.test"])
    assert both.patterns == ("@a.test", "@b.test")
    assert not NOBODY
    assert (NOBODY | both) == both == (both | NOBODY)


@pytest.mark.parametrize(
    ("credential", "owned"),
    [
        ("ann@example.org", ("ann@example.org",)),
        ("ann", ()),
        ("*@example.org", ()),
        ("@example.org", ()),
        ("a b@example.org", ()),
        ("tenant@", ()),
    ],
)
def test_a_credential_that_is_an_address_owns_itself(
    credential: str, owned: tuple[str, ...]
) -> None:
    """Nothing else follows from a name, and a wildcard in one is no wildcard."""
    assert own_address(credential).patterns == owned


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        ("From: Ann <ann@example.org>\r\n", ""),
        ("from: ann@EXAMPLE.org\r\nSender: x@acme.test\r\n", ""),
        ("From: a@acme.test, ann@example.org\r\nSender: a@acme.test\r\n", ""),
        ("From: =?utf-8?q?ann=40example.org?= <ann@example.org>\r\n", ""),
        ("From: bob@example.org\r\n", "550 5.7.1"),
        ("From: ann@example.org <bob@example.org>\r\n", "550 5.6.0"),
        ('From: "ann@example.org" <bob@evil.test>\r\n', "550 5.7.1"),
        ("From: ann@example.org(<bob@evil.test>\r\n", "550 5.6.0"),
        ("From: ann@example.org)bob@evil.test\r\n", "550 5.6.0"),
        ("From: bob@evil.test\r\nSender: ann@example.org\r\n", "550 5.7.1"),
        ("From: ann@example.org\r\nSender: bob@evil.test\r\n", "550 5.7.1"),
        ("From: ann@example.org\r\nSender: a@acme.test, b@acme.test\r\n", "550 5.6.0"),
        ("From: ann@example.org\r\nSender: a@acme.test\r\nSender: x@evil.test\r\n", "550 5.6.0"),
        ("From: a@acme.test, bob@evil.test\r\nSender: a@acme.test\r\n", "550 5.7.1"),
        ("From: a@acme.test, b@acme.test\r\n", "550 5.6.0"),
        ("From: ann@example.org\r\nFrom: ann@example.org\r\n", "550 5.6.0"),
        ("From: us: ann@example.org;\r\n", "550 5.6.0"),
        ("From: us:;\r\n", "550 5.6.0"),
        ("From: <>\r\n", "550 5.6.0"),
        ("Subject: none\r\n", "550 5.6.0"),
        ("From: ann@example.org\r\n bob@evil.test\r\n", "550 5.6.0"),
        ("From: <@evil.test:ann@example.org>\r\n", ""),
    ],
)
def test_a_header_names_only_authors_that_are_owned(header: str, reply: str) -> None:
    """Every From mailbox and the Sender have to be owned; two From fields and groups are refused."""
    scanned = scan_header(f"{header}To: x@y.test\r\n\r\n".encode())
    assert str(check_authors(scanned, SENDERS) or "")[:9] == reply


def test_long_author_fields_are_judged_alike() -> None:
    """What is too long to be remembered has the same answer."""
    names = ", ".join(f"a{number}@acme.test" for number in range(200))
    header = f"From: {names}\r\nSender: a@acme.test\r\n\r\n"
    assert check_authors(scan_header(header.encode()), SENDERS) is None
    worse = header.replace("a199@acme.test", "a199@evil.test")
    assert str(check_authors(scan_header(worse.encode()), SENDERS))[:9] == "550 5.7.1"
    assert Mailbox("a199", "evil.test") not in SENDERS
