"""What to do with a message that fails DMARC (RFC 9989 §5.4, §7.4).

The domain owner requests; the receiver decides. The configuration says how far we comply, and a
trusted forwarder can vouch for mail that failed on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pillarbox.config.settings import DmarcEnforcement
from pillarbox.mailauth.arc import Voucher
from pillarbox.mailauth.dmarc import Evaluation, Policy, Result
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.smtp.reply import Reply

__all__ = ["Decision", "SenderPolicy"]

_CHECK: Final = "dmarc"


# The action, by the requested policy and by how far we comply.
_FOLLOWED: Final[dict[tuple[Policy, DmarcEnforcement], Policy]] = {
    (Policy.QUARANTINE, DmarcEnforcement.QUARANTINE): Policy.QUARANTINE,
    (Policy.QUARANTINE, DmarcEnforcement.REJECT): Policy.QUARANTINE,
    (Policy.REJECT, DmarcEnforcement.QUARANTINE): Policy.QUARANTINE,
    (Policy.REJECT, DmarcEnforcement.REJECT): Policy.REJECT,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a message."""

    ruling: Ruling = PASSED
    is_marked: bool = False  # it gets the field that mailboxes filter on


@dataclass(frozen=True, slots=True)
class SenderPolicy:
    """Decides about messages by their DMARC result."""

    enforcement: DmarcEnforcement = DmarcEnforcement.OBSERVE
    holds_quarantined: bool = False  # otherwise they are marked

    def decide(self, judged: Evaluation, voucher: Voucher | None) -> Decision:
        """Decide about a message.

        Args:
            judged: The DMARC result.
            voucher: A trusted forwarder that saw DMARC pass.
        """
        if judged.result is Result.TEMPERROR and self.enforcement is not DmarcEnforcement.OBSERVE:
            return Decision(_TRY_AGAIN)
        asked = judged.disposition
        followed = _FOLLOWED.get((asked, self.enforcement), Policy.NONE)
        if followed is Policy.NONE:
            return Decision()
        domain = judged.author_domain
        reason = f"{asked.value} for {domain or 'an unreadable From'}: {judged.reason}"
        if voucher is not None:
            reason = f"{voucher.reason}; {reason}"
            return Decision(Ruling(action=Action.NOTE, by=_CHECK, reason=reason))
        if followed is Policy.REJECT:
            # RFC 7372 §3.3: X.7.26, several authentication checks failed.
            whose = f"the DMARC policy of {domain}" if domain else "DMARC: From is unreadable"
            reply = Reply.of(550, "5.7.26", f"Refused by {whose}")
            return Decision(Ruling(action=Action.REFUSE, by=_CHECK, reply=reply, reason=reason))
        action = Action.HOLD if self.holds_quarantined else Action.NOTE
        ruling = Ruling(action=action, by=_CHECK, reason=f"quarantined: {reason}")
        return Decision(ruling, is_marked=not self.holds_quarantined)

    def unknown(self, patience: float) -> Ruling:
        """Decide about a message that could not be authenticated within so many seconds."""
        reason = f"DNS did not say enough within {patience:g} s"
        if self.enforcement is DmarcEnforcement.OBSERVE:
            return Ruling(action=Action.NOTE, by=_CHECK, reason=reason)
        return replace(_TRY_AGAIN, reason=reason)


_TRY_AGAIN: Final = Ruling(
    action=Action.DEFER,
    by=_CHECK,
    reply=Reply.of(451, "4.4.3", "The DMARC policy of the author cannot be found out now"),
    reason="DNS did not answer",
)
