"""Rules for failing on purpose: when they apply, how often, and what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.errors import PermanentError
from pillarbox.policy.behavior import BEHAVIORS, Break, SessionStage
from pillarbox.policy.failing import FailingRule, Moment, RuleInvalid, Tally, count
from pillarbox.sandbox.chaos import Chaos, Trigger, parse_chaos
from pillarbox.sandbox.failing import read_rule


def rule(**fields: object) -> FailingRule:
    """Return a rule at RCPT that says 450, unless told otherwise."""
    return FailingRule(**{"id": "r", "stage": SessionStage.RCPT, "code": 450, **fields})  # type: ignore[arg-type]


def moment(**fields: object) -> Moment:
    """Return a RCPT from a client on loopback."""
    known = {
        "stage": SessionStage.RCPT,
        "session": "s",
        "client": "127.0.0.1",
        "project": "inbox",
        "sender": "Ann@Example.com",
        "recipients": ("bob@example.org",),
    }
    return Moment(**{**known, **fields})  # type: ignore[arg-type]


def run(which: FailingRule, times: int, *, step: float = 0.0) -> list[bool]:
    """Return in which of so many cases a rule acts."""
    acts = []
    tally = Tally()
    for number in range(times):
        has_acted, tally = count(which, tally, now=1_000.0 + number * step)
        acts.append(has_acted)
    return acts


@pytest.mark.parametrize(
    ("fields", "applies"),
    [
        ({}, True),
        ({"stage": SessionStage.DOT}, False),
        ({"project": "inbox"}, True),
        ({"project": "shop"}, False),
        ({"recipient": "bob@example.org"}, True),
        ({"recipient": "BOB@*"}, True),
        ({"recipient": "*@example.org"}, True),
        ({"recipient": "*b@ex*ple*"}, True),
        ({"recipient": "b*b@example.org"}, True),
        ({"recipient": "bob"}, False),
        ({"recipient": "*@example.com"}, False),
        ({"sender": "ann@example.com"}, True),
        ({"sender": "*@example.org"}, False),
        ({"client": "127.0.0.1"}, True),
        ({"client": "127.0.0.0/8"}, True),
        ({"client": "::1"}, False),
        ({"client": "10.0.0.0/8", "recipient": "*"}, False),
    ],
)
def test_every_condition_has_to_hold(fields: dict[str, object], *, applies: bool) -> None:
    """Addresses are compared without regard to case, and * stands for anything."""
    assert rule(**fields).applies(moment()) is applies


def test_at_the_dot_any_recipient_counts() -> None:
    """A message for several is met if one of them is."""
    which = rule(stage=SessionStage.DOT, recipient="carol@*")
    for_both = moment(stage=SessionStage.DOT, recipients=("bob@x.test", "carol@x.test"))
    assert which.applies(for_both)
    assert not which.applies(moment(stage=SessionStage.DOT))


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_patterns_mean_what_they_say(pattern: str, text: str) -> None:
    """As a pattern of the shell does, where only * is special."""
    which = rule(recipient=pattern or "*")
    assert which.applies(moment(recipients=(text,))) is _matches(pattern or "*", text)


def _matches(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_matches(pattern[1:], text[cut:]) for cut in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and _matches(pattern[1:], text[1:])


def test_a_long_pattern_is_quick() -> None:
    """A pattern cannot be made to take long."""
    which = rule(recipient="*a" * 199 + "b")
    assert not which.applies(moment(recipients=("a" * 5_000,)))


def test_count_is_how_often_it_acts() -> None:
    """The next three, and never again."""
    assert run(rule(count=3), 6) == [True, True, True, False, False, False]


def test_every_is_each_nth() -> None:
    """Every third, and with a count so many of these."""
    assert run(rule(every=3), 7) == [False, False, True, False, False, True, False]
    assert run(rule(every=2, count=1), 6) == [False, True, False, False, False, False]


def test_a_rate_lets_so_many_pass() -> None:
    """What is over two a minute fails; a minute later two pass again."""
    assert run(rule(rate="2 / min"), 4, step=1.0) == [False, False, True, True]
    assert run(rule(rate="2 / min"), 4, step=30.0) == [False, False, False, False]


def test_probability_is_a_repeatable_share() -> None:
    """The same seed gives the same cases, another one others, and the share is right."""
    acts = run(rule(probability=0.25, seed=7), 4_000)
    assert acts == run(rule(probability=0.25, seed=7), 4_000)
    assert acts != run(rule(probability=0.25, seed=8), 4_000)
    assert 0.22 < sum(acts) / len(acts) < 0.28
    assert not any(run(rule(probability=0.0), 100))
    assert all(run(rule(probability=1.0), 100))


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"id": ""}, "id", "needs a name"),
        ({"code": 250}, "code", "400 to 599"),
        ({"code": 0}, "code", "does nothing"),
        ({"enhanced": "5.1.1"}, "enhanced", "does not go with 450"),
        ({"enhanced": "x"}, "enhanced", "does not go with 450"),
        ({"text": "two\r\nlines"}, "text", "one line"),
        ({"text": "x" * 401}, "text", "400 octets"),
        ({"delay": -1.0}, "delay", "0 to 3600"),
        ({"delay": float("nan")}, "delay", "0 to 3600"),
        ({"count": -1}, "count", "0"),
        ({"every": 0}, "every", "1 or more"),
        ({"rate": "often"}, "rate", "no rate"),
        ({"probability": 1.5}, "probability", "0 to 1"),
        ({"client": "here"}, "client", "neither an address"),
        ({"recipient": "x" * 401}, "recipient", "400"),
        ({"stage": SessionStage.MAIL, "recipient": "*"}, "recipient", "no recipient is known"),
        ({"stage": SessionStage.HELO, "sender": "*"}, "sender", "no sender is known"),
        ({"discards": True}, "discards", "only at dot"),
    ],
)
def test_what_makes_no_sense_is_said(fields: dict[str, object], field: str, why: str) -> None:
    """The sentence is for people, and names the field."""
    with pytest.raises(RuleInvalid, match=why) as invalid:
        rule(**fields)
    assert invalid.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "a", "stage": "rcpt", "code": "x"}, "code"),
        ({"id": "a", "stage": "somewhere", "code": 450}, "stage"),
        ({"id": "a", "stage": "rcpt", "cod": 450}, "cod"),
        ({"stage": "rcpt", "code": 450}, "rule"),
        ({"id": "a", "stage": "rcpt", "disconnect": "softly"}, "disconnect"),
    ],
)
def test_a_rule_from_outside_is_read_strictly(fields: dict[str, object], field: str) -> None:
    """What JSON brings is checked by type and by name."""
    with pytest.raises(RuleInvalid) as invalid:
        read_rule(fields)
    assert invalid.value.field == field


def test_a_rule_says_what_to_do() -> None:
    """Code, enhanced code and text; what is left out is filled in to fit."""
    reply = rule(code=552, enhanced="5.2.2", text="Full").behavior().reply
    assert str(reply) == "552 5.2.2 Full"
    assert str(rule(code=451).behavior().reply) == "451 4.3.0 Recipient refused, as a rule asks"
    assert str(rule(code=450).behavior().reply)[:9] == "450 4.2.1"
    assert str(rule(code=550).behavior().reply)[:9] == "550 5.1.1"
    closing = rule(code=421).behavior()
    assert closing.ends_by is Break.CLOSE
    assert closing.reply is not None
    assert closing.reply.closes


def test_chaos_is_read_as_mailpit_writes_it() -> None:
    """Stages in any case, codes and percent; what is not named stays off."""
    chaos = parse_chaos("Sender:451:50, recipient:550:10")
    assert chaos == Chaos(sender=Trigger(451, 50), recipient=Trigger(550, 10))
    assert parse_chaos("") == Chaos()
    for wrong in ("Sender", "Sender:451", "Nobody:451:1", "Sender:200:1", "Sender:451:101"):
        with pytest.raises(PermanentError):
            parse_chaos(wrong)


def test_the_documentation_has_every_row_and_every_field() -> None:
    """docs/failing.md is printed from the table, and names each stage and each field."""
    text = (Path(__file__).parents[2] / "docs" / "failing.md").read_text()
    for row in BEHAVIORS:
        assert f"| `{row.form}` | {row.what} |" in text
    for stage in SessionStage:
        assert f"| `{stage.value}` |" in text
    for field in FailingRule.__struct_fields__:
        assert f"`{field}`" in text or field in {"note", "stage"}
