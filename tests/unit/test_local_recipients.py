"""Local recipients, aliases and the files that name them."""

from __future__ import annotations

from typing import Any

import pytest

from pillarbox.policy.notify import addressees
from pillarbox.policy.recipient_files import parse_aliases, parse_recipients
from pillarbox.policy.recipients import (
    MAX_EXPANSION,
    LocalDomain,
    LocalDomains,
    Resolution,
    ResolutionKind,
)
from pillarbox.smtp.address import Mailbox

ALIASES = """
all: ann, Bob@Example.Org, friend@elsewhere.example   # a forward and two of ours
ann-and-me: ann, ann-and-me
self: self, friend@elsewhere.example
a: b
b: a
ghost: nobody
sales: ann+sales
"""


def domains(**facts: Any) -> LocalDomains:
    """Return example.org with the aliases above, and a second domain."""
    aliases, findings = parse_aliases(ALIASES, file="aliases", domain="example.org")
    assert not findings
    first: dict[str, Any] = {
        "name": "example.org",
        "recipients": frozenset({"ann", "bob", "self", "jürgen"}),
        "aliases": aliases,
    }
    postmaster = facts.pop("postmaster", None)
    return LocalDomains(
        [LocalDomain(**(first | facts)), LocalDomain(name="bücher.example", route="lmtp")],
        postmaster,
    )


def ends(resolution: Resolution) -> list[str]:
    """Return the destinations as text; what is not local has a star."""
    return [f"{end.address}{'' if end.is_local else '*'}" for end in resolution.destinations]


@pytest.mark.parametrize("address", ["ann@example.org", "ANN@EXAMPLE.ORG", "JÜRGEN@example.org"])
def test_listed_recipients_are_local_in_any_case(address: str) -> None:
    """Local part and domain are compared without case."""
    found = domains().resolve(Mailbox(*address.split("@")))
    assert found.kind is ResolutionKind.LOCAL
    assert ends(found) == [address]


def test_domains_are_the_same_in_u_labels_and_a_labels() -> None:
    """An internationalized domain is local in both spellings."""
    assert domains().is_local("xn--bcher-kva.example")
    assert domains().is_local("BÜCHER.example")
    assert not domains().is_local("sub.example.org")
    assert domains().routes == {"xn--bcher-kva.example": "lmtp"}


def test_detail_is_split_off_and_kept() -> None:
    """ann+News is ann, and the detail keeps its case (RFC 5233)."""
    (end,) = domains().resolve(Mailbox("ann+News+x", "example.org")).destinations
    assert (str(end.address), end.detail) == ("ann+News+x@example.org", "News+x")
    off = domains(separator="").resolve(Mailbox("ann+news", "example.org"))
    assert off.kind is ResolutionKind.UNKNOWN


def test_aliases_lead_to_all_their_ends_once() -> None:
    """Aliases mix local recipients and forwards, in their order and without doubles."""
    found = domains().resolve(Mailbox("All", "example.org"))
    assert found.kind is ResolutionKind.EXPANDED
    assert ends(found) == ["ann@example.org", "Bob@Example.Org", "friend@elsewhere.example*"]
    (sales,) = domains().resolve(Mailbox("sales", "example.org")).destinations
    assert sales.detail == "sales"


def test_alias_that_names_itself_means_its_own_mailbox() -> None:
    """``self: self, friend`` keeps a copy; a name that is only an alias is skipped."""
    assert ends(domains().resolve(Mailbox("self", "example.org"))) == [
        "self@example.org",
        "friend@elsewhere.example*",
    ]
    assert ends(domains().resolve(Mailbox("ann-and-me", "example.org"))) == ["ann@example.org"]


@pytest.mark.parametrize("name", ["a", "b", "ghost"])
def test_aliases_that_lead_nowhere_are_a_fault_of_ours(name: str) -> None:
    """A loop ends, is answered 451 4.3.5 until it is put right, and is found at the start."""
    found = domains().resolve(Mailbox(name, "example.org"))
    assert found.kind is ResolutionKind.UNKNOWN
    assert str(found.reply).startswith("451 4.3.5")
    assert any(f"{name}@example.org" in finding.what for finding in domains().findings())


def test_expansion_is_bounded() -> None:
    """An alias that leads to more than the bound is answered 451 4.3.5."""
    many = tuple(Mailbox(f"u{n}", "elsewhere.example") for n in range(MAX_EXPANSION + 1))
    broken = domains(aliases={"many": many}).resolve(Mailbox("many", "example.org"))
    assert str(broken.reply).startswith("451 4.3.5")
    fine = domains(aliases={"many": many[1:]}).resolve(Mailbox("many", "example.org"))
    assert len(fine.destinations) == MAX_EXPANSION


def test_unknown_recipient_is_refused_with_the_code_of_the_rfc() -> None:
    """Who is not listed gets 550 5.1.1."""
    found = domains().resolve(Mailbox("nobody", "example.org"))
    assert str(found.reply) == "550 5.1.1 No such recipient here"


def test_catch_all_takes_the_rest_but_no_route_to_elsewhere() -> None:
    """A catch-all takes unknown local parts, never those that look like a route or a command."""
    caught = domains(catch_all=Mailbox("ann", "example.org"))
    assert ends(caught.resolve(Mailbox("nobody", "example.org"))) == ["ann@example.org"]
    for local_part in ("u%there.example", "there!u", "u@there.example", "|/bin/sh", "-oQ/tmp"):
        assert caught.resolve(Mailbox(local_part, "example.org")).reply is not None


@pytest.mark.parametrize(
    "address",
    ["postmaster@", "PostMaster@", "postmaster@example.org", "abuse@bücher.example"],
)
def test_postmaster_and_abuse_always_exist(address: str) -> None:
    """RFC 5321 §4.5.1: they go to the configured postmaster, or to the first domain's mailbox."""
    local_part, domain = address.split("@")
    found = domains(postmaster=Mailbox("ann", "example.org")).resolve(Mailbox(local_part, domain))
    assert ends(found) == ["ann@example.org"]
    plain = domains().resolve(Mailbox(local_part, domain))
    assert plain.destinations[0].is_local
    assert plain.destinations[0].address.local_part.lower() == "postmaster"


def test_recipients_file_names_its_bad_lines() -> None:
    """A bad line is a finding with file and number; the good ones count."""
    recipients, findings = parse_recipients(
        "ann\n# comment\n\nBob  # with comment\nx@y\ntwo words\n" + "z" * 65, file="people"
    )
    assert recipients == {"ann", "bob"}
    assert [finding.what.split(":")[0] for finding in findings] == [
        "people, line 5",
        "people, line 6",
        "people, line 7",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        "ann:",
        "ann: |/bin/sh",
        "ann: /var/mail/ann",
        "ann: :include:/etc/passwd",
        "ann: a@b, c@@d",
        "ann@example.org: bob",
        ": bob",
        "ann: group: a@b;",
        "ann: b%c@d",
    ],
)
def test_aliases_file_names_its_bad_lines(line: str) -> None:
    """Programs, files, groups and malformed addresses are errors, and the line is left out."""
    aliases, (finding,) = parse_aliases(f"\n{line}\n", file="aliases", domain="example.org")
    assert not aliases
    assert finding.what.startswith("aliases, line 2: ")


def test_alias_given_twice_is_an_error() -> None:
    """The first one counts."""
    aliases, findings = parse_aliases("x: a@b\nX: c@d\n", file="aliases", domain="example.org")
    assert aliases == {"x": (Mailbox("a", "b"),)}
    assert len(findings) == 1


def test_a_notification_goes_where_mail_for_its_sender_goes() -> None:
    """An alias is followed, a stranger kept, and an address that nobody has gets nothing."""
    local = LocalDomains(
        [
            LocalDomain(
                name="example.org",
                recipients=frozenset({"ann"}),
                aliases={"staff": (Mailbox("ann", "example.org"), Mailbox("x", "far.example"))},
            )
        ]
    )

    def told(local_part: str, domain: str = "example.org") -> list[str]:
        return [str(each) for each in addressees(Mailbox(local_part, domain), local)]

    assert told("Ann") == ["Ann@example.org"]
    assert told("staff") == ["ann@example.org", "x@far.example"]
    assert told("gone") == []
    assert told("eve", "far.example") == ["eve@far.example"]
