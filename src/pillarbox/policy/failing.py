"""Rules by which a server fails on purpose: when one applies, how often, and what it then does.

All of it is deterministic: the outcome depends on the rule, on the input, on the counts so far and,
for a rate, on the time passed in. A probability is drawn from the rule's seed and the number of the
case, so that a run can be repeated.

A rule is a value of plain fields, as in its JSON. ``FailingRule`` raises ``RuleInvalid`` with a
sentence for people where the fields make no sense.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pillarbox.errors import PermanentError
from pillarbox.policy.behavior import Behavior, Break, SessionStage
from pillarbox.policy.rate import parse_rate
from pillarbox.smtp.reply import EnhancedCode, Reply

__all__ = ["LONGEST_DELAY", "FailingRule", "Moment", "RuleInvalid", "Tally", "count"]

LONGEST_DELAY: Final = 3_600.0
"""Seconds that a server may take its time at most."""

_LONGEST_TEXT: Final = 400  # octets; a reply line has 512 (RFC 5321 §4.5.3.1.5)
_LONGEST_PATTERN: Final = 400
_ORDER: Final = tuple(SessionStage)
_REPLYING: Final = range(400, 600)
_CLOSING: Final = 421  # RFC 5321 §3.8
_DRAWS: Final = 2**64

_TEXTS: Final = {
    SessionStage.CONNECT: "No service here",
    SessionStage.HELO: "Greeting refused",
    SessionStage.STARTTLS: "TLS not available",
    SessionStage.AUTH: "Authentication credentials invalid",
    SessionStage.MAIL: "Sender refused",
    SessionStage.RCPT: "Recipient refused",
    SessionStage.DATA: "No content wanted",
    SessionStage.DOT: "Message refused",
}
_ENHANCED: Final = {
    SessionStage.CONNECT: "3.2",
    SessionStage.HELO: "3.0",
    SessionStage.STARTTLS: "7.0",
    SessionStage.AUTH: "7.8",
    SessionStage.MAIL: "1.8",
    SessionStage.RCPT: "1.1",
    SessionStage.DATA: "3.0",
    SessionStage.DOT: "7.1",
}
# Of a recipient the code says more than the stage; a mailbox that is unknown is so for good.
_ENHANCED_OF_RECIPIENT: Final = {
    421: "3.2",
    450: "2.1",
    451: "3.0",
    452: "2.2",
    551: "1.6",
    552: "2.2",
    553: "1.3",
    554: "7.1",
}


class RuleInvalid(PermanentError):  # noqa: N818 - reads as what it says
    """The fields of a rule make no sense; ``field`` is the first to check."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class Moment(Struct, frozen=True, gc=False, kw_only=True):
    """The state of a session when a rule is asked."""

    stage: SessionStage
    session: str
    client: str  # the peer's address
    project: str = ""  # whose mail it is, as far as it is known
    identity: str = ""  # who logged in, or tries to
    sender: str = ""  # "" before MAIL, and for the null reverse-path
    recipients: tuple[str, ...] = ()  # at RCPT the one that is asked about


class FailingRule(Struct, frozen=True, kw_only=True):
    """What to do at a stage of a session, for whom, and how often.

    It waits, sends ``code`` (0: nothing) and breaks the connection, in this order. All given
    conditions must match.
    """

    id: str
    stage: SessionStage
    project: str = ""  # "": in every project
    recipient: str = ""  # pattern with *, such as "*@example.com"; "": everybody
    sender: str = ""  # pattern with *
    client: str = ""  # address or network of the peer

    code: int = 0  # 400 to 599
    enhanced: str = ""  # such as "4.2.1"; "": one that fits
    text: str = ""  # "": one that fits
    delay: float = 0.0  # seconds
    disconnect: Break = Break.NONE
    discards: bool = False  # acknowledge the message, and throw it away

    count: int = 0  # so often, then never again; 0: no end
    every: int = 1  # only each nth time
    rate: str = ""  # only what is over a rate, such as "5 / min"
    probability: float = 1.0  # 0 to 1
    seed: int = 0  # of the probability
    note: str = ""  # for people

    def __post_init__(self) -> None:
        _check_conditions(self)
        _check_action(self)
        _check_frequency(self)

    def applies(self, moment: Moment) -> bool:
        """Whether the rule's conditions match a moment."""
        return (
            self.stage is moment.stage
            and (not self.project or self.project == moment.project)
            and (not self.sender or _matches(self.sender, moment.sender))
            and (
                not self.recipient
                or any(_matches(self.recipient, each) for each in moment.recipients)
            )
            and (not self.client or _is_in(self.client, moment.client))
        )

    def behavior(self) -> Behavior:
        """Return what a server that obeys the rule does."""
        reply = self._reply() if self.code else None
        closes = reply is not None and reply.closes and self.disconnect is Break.NONE
        return Behavior(
            stage=self.stage,
            reply=reply,
            delay=self.delay,
            ends_by=Break.CLOSE if closes else self.disconnect,
            keeps_message=not self.discards,
            why=f"rule {self.id}",
        )

    def is_spent(self, tally: Tally) -> bool:
        """Whether it has acted as often as it may."""
        return bool(self.count) and tally.acted >= self.count

    def _reply(self) -> Reply:
        fitting = _ENHANCED[self.stage]
        if self.stage is SessionStage.RCPT:
            fitting = _ENHANCED_OF_RECIPIENT.get(self.code, fitting)
        enhanced = self.enhanced or f"{self.code // 100}.{fitting}"
        text = self.text or f"{_TEXTS[self.stage]}, as a rule asks"
        return Reply.of(self.code, enhanced, text, closes=self.code == _CLOSING)


class Tally(Struct, frozen=True, gc=False):
    """What a rule has seen and done so far."""

    matched: int = 0
    acted: int = 0
    level: float = 0.0  # of its rate's bucket
    level_at: float = 0.0  # seconds since 1970


def count(rule: FailingRule, tally: Tally, *, now: float) -> tuple[bool, Tally]:
    """Count a moment that matches a rule, and decide whether the rule acts.

    Args:
        rule: The rule.
        tally: What it has seen and done before.
        now: The time, for its rate.

    Returns:
        Whether it acts, and its new tally.
    """
    if rule.is_spent(tally):
        return False, tally
    tally = replace(tally, matched=tally.matched + 1)
    if tally.matched % rule.every:
        return False, tally
    if rule.rate:
        is_over, tally = _over_rate(rule, tally, now)
        if not is_over:
            return False, tally
    if rule.probability < 1.0 and _draw(rule.seed, tally.matched) >= rule.probability:
        return False, tally
    return True, replace(tally, acted=tally.acted + 1)


def _over_rate(rule: FailingRule, tally: Tally, now: float) -> tuple[bool, Tally]:
    rate = parse_rate(rule.rate)
    if rate is None:
        return False, tally
    level = rate.level(tally.level, now - tally.level_at)
    is_over = rate.wait(level) > 0.0
    if not is_over:
        level += 1.0
    return is_over, replace(tally, level=level, level_at=now)


def _draw(seed: int, number: int) -> float:
    """Return a pseudo-random number in [0, 1) that depends on the seed alone."""
    digest = blake2b(f"{seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _DRAWS


# --- what makes sense ----------------------------------------------------------------


def _check_conditions(rule: FailingRule) -> None:
    if not rule.id or len(rule.id) > _LONGEST_PATTERN or not rule.id.isprintable():
        raise RuleInvalid("id", "a rule needs a name of printable characters")
    for field in ("recipient", "sender"):
        if len(getattr(rule, field)) > _LONGEST_PATTERN:
            raise RuleInvalid(field, f"at most {_LONGEST_PATTERN} characters")
    if rule.recipient and _comes_before(rule.stage, SessionStage.RCPT):
        raise RuleInvalid(
            "recipient", f"no recipient is known at {rule.stage.value}; use rcpt, data or dot"
        )
    if rule.sender and _comes_before(rule.stage, SessionStage.MAIL):
        raise RuleInvalid(
            "sender", f"no sender is known at {rule.stage.value}; use mail or a later stage"
        )
    if rule.client:
        try:
            ip_network(rule.client, strict=False)
        except ValueError:
            raise RuleInvalid(
                "client", f"{rule.client!r} is neither an address nor a network"
            ) from None


def _check_action(rule: FailingRule) -> None:
    if rule.code and rule.code not in _REPLYING:
        raise RuleInvalid("code", f"{rule.code} is no failure; use 400 to 599")
    if rule.enhanced:
        enhanced = EnhancedCode.parse(rule.enhanced)
        if enhanced is None or enhanced.class_ != rule.code // 100:
            raise RuleInvalid(
                "enhanced", f"{rule.enhanced!r} does not go with {rule.code or 'no code'}"
            )
    if len(rule.text.encode()) > _LONGEST_TEXT or not rule.text.isprintable():
        raise RuleInvalid("text", f"one line of at most {_LONGEST_TEXT} octets")
    if not 0.0 <= rule.delay <= LONGEST_DELAY:
        raise RuleInvalid("delay", f"0 to {LONGEST_DELAY:.0f} seconds")
    if rule.discards and (rule.stage is not SessionStage.DOT or rule.code):
        raise RuleInvalid("discards", "only at dot, and without a code")
    acts = rule.code or rule.delay or rule.discards or rule.disconnect is not Break.NONE
    if not acts:
        raise RuleInvalid("code", "the rule does nothing: give a code, a delay or a disconnect")


def _check_frequency(rule: FailingRule) -> None:
    if rule.count < 0:
        raise RuleInvalid("count", "0 (no end) or more")
    if rule.every < 1:
        raise RuleInvalid("every", "1 or more")
    if not 0.0 <= rule.probability <= 1.0:
        raise RuleInvalid("probability", "0 to 1")
    if rule.rate and parse_rate(rule.rate) is None:
        raise RuleInvalid("rate", f'{rule.rate!r} is no rate; write "5 / min"')


def _comes_before(stage: SessionStage, other: SessionStage) -> bool:
    return _ORDER.index(stage) < _ORDER.index(other)


# --- patterns ------------------------------------------------------------------------


def _matches(pattern: str, address: str) -> bool:
    """Whether an address matches a pattern, in which * stands for any characters.

    Case is ignored. Each part is searched for once, so that no pattern is slow.
    """
    first, *others = _parts(pattern)
    text = address.lower()
    if not others:
        return text == first
    *inner, last = others
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in inner:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return text.endswith(last)


@lru_cache(maxsize=512)
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.lower().split("*"))


@lru_cache(maxsize=512)
def _is_in(network: str, client: str) -> bool:
    try:
        return ip_address(client) in ip_network(network, strict=False)
    except ValueError:  # a client on a Unix socket has no address
        return False
