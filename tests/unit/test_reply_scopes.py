"""What replies mean for a delivery, and which notifications are owed."""

from __future__ import annotations

import pytest

from pillarbox.message.dsn import Action
from pillarbox.policy.notify import action_for_delivery, is_dsn_owed
from pillarbox.policy.replies import Scope, classify
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Notify
from pillarbox.smtp.reply import Reply

ANN = Mailbox("ann", "example.org")


@pytest.mark.parametrize(
    ("stage", "code", "enhanced", "text", "is_permanent", "scope"),
    [
        (Stage.RECIPIENT, 550, "5.1.1", "no such user", True, Scope.RECIPIENT),
        (Stage.RECIPIENT, 450, "4.2.2", "mailbox full", False, Scope.RECIPIENT),
        (Stage.RECIPIENT, 552, "5.2.2", "over quota", True, Scope.RECIPIENT),
        (Stage.RECIPIENT, 450, "4.7.1", "Greylisted, too fast", False, Scope.RECIPIENT),
        (Stage.RECIPIENT, 421, None, "bye", False, Scope.SITE),
        (Stage.RECIPIENT, 450, "4.7.1", "rate limit exceeded", False, Scope.SITE),
        (Stage.RECIPIENT, 421, "4.7.28", "unusual rate of mail", False, Scope.SITE),
        (Stage.RECIPIENT, 451, "4.3.2", "not accepting mail", False, Scope.SITE),
        (Stage.RECIPIENT, 0, None, "", False, Scope.SITE),
        (Stage.RECIPIENT, 354, None, "go on", False, Scope.SITE),
        (Stage.RECIPIENT, 999, None, "", False, Scope.SITE),
        (Stage.MAIL, 550, "5.7.1", "not you", True, Scope.MESSAGE),
        (Stage.MAIL, 451, "4.1.8", "domain not found", False, Scope.MESSAGE),
        (Stage.MAIL, 452, "4.3.1", "disk full", False, Scope.SITE),
        (Stage.DATA, 451, None, "later", False, Scope.MESSAGE),
        (Stage.FINAL, 554, "5.7.1", "spam", True, Scope.MESSAGE),
        (Stage.FINAL, 421, "4.3.2", "closing", False, Scope.SITE),
        (Stage.GREETING, 554, "5.7.1", "blocked", False, Scope.SITE),
        (Stage.GREETING, 521, None, "no mail here", True, Scope.RECIPIENT),
        (Stage.AUTH, 535, "5.7.8", "wrong password", False, Scope.SITE),
        (Stage.TLS, 454, "4.7.0", "no TLS now", False, Scope.SITE),
        (Stage.RESOLVE, 556, "5.1.10", "null MX", True, Scope.RECIPIENT),
        (Stage.RESOLVE, 451, "4.4.3", "no answer from DNS", False, Scope.SITE),
    ],
)
def test_replies_say_how_long_and_for_how_much(
    stage: Stage, code: int, enhanced: str | None, text: str, is_permanent: bool, scope: Scope
) -> None:
    """A failure is for good or for now, and about a recipient, a message or a site."""
    verdict = classify(stage, Reply.of(code, enhanced, text))
    assert (verdict.is_permanent, verdict.scope) == (is_permanent, scope)
    assert not verdict.has_too_many_recipients


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [(452, "4.5.3", "x"), (552, None, "Too many recipients"), (452, None, "too many recipients")],
)
def test_too_many_recipients_is_no_failure_of_the_recipient(
    code: int, enhanced: str | None, text: str
) -> None:
    """RFC 5321 §4.5.3.1.10: the rest goes in another transaction, 552 or 452 alike."""
    verdict = classify(Stage.RECIPIENT, Reply.of(code, enhanced, text))
    assert verdict.has_too_many_recipients
    assert not verdict.is_permanent


@pytest.mark.parametrize("stage", list(Stage))
def test_lost_connection_is_never_permanent(stage: Stage) -> None:
    """Whatever breaks a connection, it is tried again; during the content, the site is not blamed."""
    verdict = classify(stage, None)
    assert not verdict.is_permanent
    in_content = stage in {Stage.DATA, Stage.FINAL}
    assert verdict.scope is (Scope.MESSAGE if in_content else Scope.SITE)


@pytest.mark.parametrize(
    ("action", "notify", "is_owed"),
    [
        (Action.FAILED, None, True),
        (Action.DELAYED, None, True),
        (Action.DELIVERED, None, False),
        (Action.RELAYED, None, False),
        (Action.FAILED, Notify.NEVER, False),
        (Action.DELAYED, Notify.NEVER, False),
        (Action.FAILED, Notify.SUCCESS, False),
        (Action.DELAYED, Notify.FAILURE, False),
        (Action.DELAYED, Notify.FAILURE | Notify.DELAY, True),
        (Action.DELIVERED, Notify.SUCCESS, True),
        (Action.RELAYED, Notify.SUCCESS | Notify.FAILURE, True),
        (Action.EXPANDED, Notify.SUCCESS, True),
    ],
)
def test_senders_hear_what_they_asked_for(
    action: Action, notify: Notify | None, is_owed: bool
) -> None:
    """RFC 3461 §4.1: NOTIFY decides; unsaid, failures and delays are told."""
    assert is_dsn_owed(action, ANN, notify) == is_owed


@pytest.mark.parametrize("action", list(Action))
def test_null_sender_is_never_notified(action: Action) -> None:
    """G03: a notification that cannot be delivered makes no other one."""
    everything = Notify.SUCCESS | Notify.FAILURE | Notify.DELAY
    assert not is_dsn_owed(action, None, everything)


def test_successes_are_ours_to_report_only_at_the_end_of_dsn() -> None:
    """RFC 3461 §5.2: delivered in a mailbox, relayed where DSN ends, silent where it goes on."""
    assert action_for_delivery(is_final=True, dsn_passed_on=False) is Action.DELIVERED
    assert action_for_delivery(is_final=False, dsn_passed_on=False) is Action.RELAYED
    assert action_for_delivery(is_final=False, dsn_passed_on=True) is None
