"""Routes, and the lab's behaviors."""

from __future__ import annotations

import pytest

from pillarbox.policy.behavior import ACCEPT, BEHAVIORS, Break, SessionStage, behavior_of
from pillarbox.policy.routing import RouteRule, Routes
from pillarbox.smtp.address import Mailbox

ROUTES = Routes(
    [
        RouteRule("null", ("*",), ("<>",)),
        RouteRule("ann", ("*",), ("Ann@Example.ORG",)),
        RouteRule("partner", ("partner.example", "*.partner.example", "bücher.example")),
        RouteRule("staff", ("*",), ("@example.org",)),
        RouteRule("unused", ()),
        RouteRule("late", ("partner.example",)),
        RouteRule("rest", ("*",)),
    ],
    local={"here.example": "maildir"},
)


@pytest.mark.parametrize(
    ("recipient", "sender", "route"),
    [
        ("here.example", "x@y", "maildir"),
        ("HERE.example", "", "maildir"),
        ("partner.example", "x@y", "partner"),
        ("a.b.PARTNER.example", "x@y", "partner"),
        ("xn--bcher-kva.example", "x@y", "partner"),
        ("notpartner.example", "x@y", "rest"),
        ("partner.example", "", "null"),
        ("partner.example", "ann@EXAMPLE.org", "ann"),
        ("partner.example", "bob@example.org", "partner"),
        ("else.example", "bob@example.org", "staff"),
        ("else.example", "bob@sub.example.org", "rest"),
        ("[192.0.2.1]", "x@y", "rest"),
    ],
)
def test_first_rule_that_matches_wins(recipient: str, sender: str, route: str | None) -> None:
    """Domains match whole or by their end, senders by address or domain; local domains first."""
    reverse_path = Mailbox(*sender.split("@")) if sender else None
    for _ in range(2):  # the second answer comes from memory
        assert ROUTES.choose(Mailbox("u", recipient), reverse_path) == route


def test_without_a_matching_rule_there_is_no_route() -> None:
    """No route is an answer of its own."""
    assert Routes([RouteRule("a", ("a.example",))]).choose(Mailbox("u", "b.example"), None) is None


@pytest.mark.parametrize(
    ("local_part", "code", "stage"),
    [
        ("reject550", 550, SessionStage.RCPT),
        ("550", 550, SessionStage.RCPT),
        ("452+detail", 452, SessionStage.RCPT),
        ("Defer450", 450, SessionStage.RCPT),
        ("greylist", 450, SessionStage.RCPT),
        ("dot-451", 451, SessionStage.DOT),
        ("rate450", 450, SessionStage.RCPT),
        ("defer-2-times", 450, SessionStage.RCPT),
    ],
)
def test_local_parts_ask_for_replies(local_part: str, code: int, stage: SessionStage) -> None:
    """The reply and its stage are in the name."""
    behavior = behavior_of(local_part)
    assert behavior.reply is not None
    assert (behavior.reply.code, behavior.stage) == (code, stage)


def test_local_parts_ask_for_broken_connections_and_waits() -> None:
    """Closing, resetting, waiting and bouncing are in the name, too."""
    assert behavior_of("421").ends_by is Break.CLOSE
    assert behavior_of("rate421").ends_by is Break.CLOSE
    assert behavior_of("reset").ends_by is Break.RESET
    assert behavior_of("drop-after-dot") == behavior_of("dropafterdot")
    assert behavior_of("drop-after-dot").stage is SessionStage.DOT
    assert behavior_of("drop-after-dot").keeps_message
    assert (behavior_of("slow").delay, behavior_of("slow-9s").delay) == (5, 9)
    assert behavior_of("slow-9999").delay == 3600
    assert (behavior_of("defer-2-times").times, behavior_of("greylist").times) == (2, 1)
    assert behavior_of("bounce-later").bounces


@pytest.mark.parametrize("local_part", ["ann", "accept", "", "299", "reject", "slow-"])
def test_other_local_parts_are_taken(local_part: str) -> None:
    """A name that is in no row is an ordinary recipient."""
    assert (behavior_of(local_part) == ACCEPT) == (local_part != "reject")


def test_every_behavior_is_documented() -> None:
    """Each row has a form and one sentence."""
    for row in BEHAVIORS:
        assert row.form
        assert row.what.endswith(".")
