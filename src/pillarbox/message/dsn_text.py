"""The human-readable part of a notification: what happened, where, and what to do.

It quotes the remote server's exact words, without control characters, in lines that end in CRLF.
"""

from __future__ import annotations

from typing import Final

from pillarbox.message.dsn_report import Action, RecipientReport, Report, clean_text
from pillarbox.message.trace import format_date

__all__ = ["explain", "subject_of"]

_SUBJECTS: Final = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message is delayed",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was passed on",
    Action.EXPANDED: "Your message was passed on",
}
_ORDER: Final = tuple(_SUBJECTS)  # the first that occurs gives the subject

_HEADINGS: Final = {
    Action.FAILED: (
        "It could not be delivered to the address below. It will not be tried again there, "
        "and was not received:"
    ),
    Action.DELAYED: (
        "It could not be delivered to the address below yet. It will be tried again; "
        "you need not do anything:"
    ),
    Action.DELIVERED: "It is in the mailbox of the address below:",
    Action.RELAYED: (
        "It was taken for the address below by a server that does not report deliveries, "
        "so this is the last you hear of it:"
    ),
    Action.EXPANDED: "The address below stands for others, to which it was sent on:",
}

# RFC 3463 §3, by subject and detail; then by subject alone.
_ADVICE: Final = {
    (1, 1): "Check the address for typing errors; this mailbox does not exist.",
    (1, 2): "Check the part behind the @; this domain does not exist or takes no mail.",
    (1, 3): "Check the address; it is not well formed.",
    (1, 10): "Use another address; the owner of this domain says that it takes no mail.",
    (2, 1): "Reach the recipient in another way; this mailbox is switched off.",
    (2, 2): "Try again later; the mailbox is full, and only the recipient can change that.",
    (2, 3): "Send less, or send a link; the message is too large for this mailbox.",
    (3, 4): "Send less, or send a link; the message is too large for that server.",
    (4, 6): "Tell the postmaster of that domain; its mail goes around in a loop.",
    (4, 7): "Send it again later, or reach the recipient in another way.",
    (6, 7): "Use an address in plain letters; that server cannot take international ones.",
}
_ADVICE_BY_SUBJECT: Final = {
    1: "Check the address.",
    2: "Ask the recipient in another way whether the mailbox is in order.",
    3: "Tell the postmaster of the receiving side what is quoted above.",
    4: "Tell the postmaster of the receiving side what is quoted above.",
    5: "Tell your own postmaster; the two servers do not understand each other.",
    6: "Send it in another format, such as plain text without attachments.",
    7: "The receiving side refuses it by its rules. Tell its postmaster, or your own, "
    "what is quoted above.",
}
_DEFAULT_ADVICE: Final = "Tell your postmaster what is quoted above."


def subject_of(report: Report) -> str:
    """Return the notification's subject, for its worst action."""
    actions = {recipient.action for recipient in report.recipients}
    return next(_SUBJECTS[action] for action in _ORDER if action in actions)


def explain(report: Report, *, returns_all: bool) -> str:
    """Return the text for people.

    Args:
        report: The report.
        returns_all: Whether the whole original follows, or only its header.
    """
    lines = [
        f"This is the mail system at {report.hostname}.",
        "",
        f"Your message arrived here on {format_date(report.arrived_at)}.",
    ]
    for action in _ORDER:
        those = [recipient for recipient in report.recipients if recipient.action is action]
        if those:
            lines += ["", *_wrap(_HEADINGS[action])]
        for recipient in those:
            lines += ["", *_explain_recipient(recipient, report.hostname)]
    rest = "Your message" if returns_all else "The header of your message"
    lines += ["", f"{rest} and a report for programs are attached."]
    return "".join(f"{line}\r\n" for line in lines)


def _explain_recipient(report: RecipientReport, hostname: str) -> list[str]:
    lines = [f"  <{clean_text(str(report.recipient.address))}>"]
    if report.diagnostic and report.remote:
        lines += [f"    The receiving side ({clean_text(report.remote)}) said:"]
    elif report.diagnostic:
        lines += [f"    This side ({hostname}) found:"]
    if report.diagnostic:
        lines += _wrap(clean_text(report.diagnostic), indent="      ")
    if report.action is Action.DELAYED and report.will_retry_until is not None:
        lines += [f"    It will be tried until {format_date(report.will_retry_until)}."]
    if report.action is Action.FAILED:
        lines += _wrap(f"What to do: {_advice(report)}", indent="    ")
    return lines


def _advice(report: RecipientReport) -> str:
    status = report.status
    exact = _ADVICE.get((status.subject, status.detail))
    return exact or _ADVICE_BY_SUBJECT.get(status.subject, _DEFAULT_ADVICE)


def _wrap(text: str, indent: str = "", width: int = 72) -> list[str]:
    """Wrap a text at blanks; a word that is too long gets its own line."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line]
