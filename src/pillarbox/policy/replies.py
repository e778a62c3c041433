"""What a peer's reply means for a delivery: permanent or temporary, and for how much of the mail.

A failure concerns a recipient, the message, or the whole site. The scope decides whether other mail
still goes there; a table lists the codes that say more than their stage does. RFC 5321 §4.2,
§4.5.3.1.10; RFC 3463; RFC 7504.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

__all__ = ["Scope", "Verdict", "classify"]


class Scope(Enum):
    """What a failure is about."""

    RECIPIENT = "recipient"
    MESSAGE = "message"  # this message to all recipients of the transaction
    SITE = "site"  # all mail to the site: leave it alone for a while


@dataclass(frozen=True, slots=True)
class Verdict:
    """How to continue after a failure."""

    is_permanent: bool
    scope: Scope
    has_too_many_recipients: bool = False  # send to this one at once in another transaction


_SITE_STAGES: Final = frozenset(
    {Stage.RESOLVE, Stage.CONNECT, Stage.GREETING, Stage.TLS, Stage.HELLO, Stage.AUTH}
)
_STAGE_SCOPES: Final = {
    Stage.MAIL: Scope.MESSAGE,
    Stage.RECIPIENT: Scope.RECIPIENT,
    Stage.DATA: Scope.MESSAGE,
    Stage.FINAL: Scope.MESSAGE,
}

# RFC 7504: no mail is taken here, and no other server of the domain would be another one.
_NO_MAIL_HERE: Final = frozenset({521, 556})

# Temporary refusals whose enhanced code is about the site, whatever command got them.
_SITE_CODES: Final = frozenset(
    {
        (3, 1),  # mail system full
        (3, 2),  # system not accepting network messages
        (3, 5),  # system incorrectly configured
        (4, 2),  # bad connection
        (4, 5),  # mail system congestion
        (7, 28),  # too much mail of one kind; not registered, but Gmail says so
    }
)
# 4.7.x is greylisting as often as a rate limit: the text has to tell.
_RATE: Final = re.compile(
    r"rate|thrott|too (?:many|much|fast|frequent)|limit|unusual|unsolicited|reputation|"
    r"suspicious|blocked|volume|user complaints",
    re.IGNORECASE,
)
_GREYLIST: Final = re.compile(r"gr[ae]y-?list", re.IGNORECASE)
_SECURITY: Final = 7
_MOST_TEXT: Final = 1_000


def classify(stage: Stage, reply: Reply | None) -> Verdict:
    """Return what follows from a failed attempt.

    Args:
        stage: How far the attempt got.
        reply: The peer's reply, or ours in its place; None if the connection failed.
    """
    if reply is None or reply.code // 100 not in {4, 5}:
        return _no_answer(stage)
    if reply.is_permanent:
        return _permanent(stage, reply)
    if stage is Stage.RECIPIENT and _is_about_recipient_count(reply):
        return Verdict(is_permanent=False, scope=Scope.RECIPIENT, has_too_many_recipients=True)
    return Verdict(is_permanent=False, scope=_temporary_scope(stage, reply))


def _no_answer(stage: Stage) -> Verdict:
    """Judge a lost connection, or an invalid reply (RFC 5321 §4.2.1 knows 2 to 5)."""
    # During the content the message itself may be what breaks the connection: the next
    # message may fare better, so the site is not blamed.
    blames_message = stage in {Stage.DATA, Stage.FINAL}
    return Verdict(is_permanent=False, scope=Scope.MESSAGE if blames_message else Scope.SITE)


def _permanent(stage: Stage, reply: Reply) -> Verdict:
    if stage is Stage.RESOLVE:  # our own verdict: no such domain, null MX
        return Verdict(is_permanent=True, scope=Scope.RECIPIENT)
    if reply.code in _NO_MAIL_HERE and stage in _SITE_STAGES:
        return Verdict(is_permanent=True, scope=Scope.RECIPIENT)
    if stage in _SITE_STAGES:
        # A refusal before MAIL is about us, not about the mail: a block that an operator
        # gets lifted, a wrong password. Stricter than RFC 5321 §4.2.1, as other servers are.
        return Verdict(is_permanent=False, scope=Scope.SITE)
    if stage is Stage.RECIPIENT and reply.code == 552 and _is_about_recipient_count(reply):  # noqa: PLR2004
        # RFC 5321 §4.5.3.1.10: a 552 to RCPT is to be taken for 452.
        return Verdict(is_permanent=False, scope=Scope.RECIPIENT, has_too_many_recipients=True)
    return Verdict(is_permanent=True, scope=_STAGE_SCOPES[stage])


def _is_about_recipient_count(reply: Reply) -> bool:
    """Return whether the peer accepts no more recipients in this transaction."""
    if reply.enhanced is not None:
        return reply.enhanced[1:] == (5, 3)
    # A full mailbox gets 452 or 552, too; the text tells.
    return reply.code in {452, 552} and "recipients" in reply.text[:_MOST_TEXT].lower()


def _temporary_scope(stage: Stage, reply: Reply) -> Scope:
    if stage in _SITE_STAGES or reply.code == 421:  # noqa: PLR2004 - closes the channel
        return Scope.SITE
    text = reply.text[:_MOST_TEXT]
    if _GREYLIST.search(text):
        return Scope.RECIPIENT if stage is Stage.RECIPIENT else Scope.MESSAGE
    if reply.enhanced is not None:
        if reply.enhanced[1:] in _SITE_CODES:
            return Scope.SITE
        if reply.enhanced.subject == _SECURITY and _RATE.search(text):
            return Scope.SITE
    return _STAGE_SCOPES[stage]
