"""Where we read a reply or a bounce otherwise than those who collected it, and why."""

from __future__ import annotations

from typing import Final

__all__ = [
    "FIELD_MANUAL_DIFFERENCES",
    "FLUFL_DIFFERENCES",
    "KUMOMTA_DIFFERENCES",
    "SISIMAI_DIFFERENCES",
]

FIELD_MANUAL_DIFFERENCES: Final = {
    "51 qq 550": "the words say unknown mailbox; that QQ means too much mail is known to QQ only",
    "72 barracuda 550": "only the word behind the address says that it is blocked; a miss",
}
KUMOMTA_DIFFERENCES: Final = {
    "bounces InvalidRecipient 13 550 ... Address rejected": "more often a policy than an unknown address; a rejected recipient is recognized",
    "bounces InvalidRecipient 19 550 ... The mail server could not deliver mail to ... The account or domain may not exist, they may be blacklisted, or missing the proper dns entries": "cPanel says so of the sender, whom it could not verify",
    "bounces InvalidRecipient 26 550 ... recipient ... denied": "says that it is denied, not that nobody is there",
    "bounces InactiveMailbox 5 550 ... Your message wasn't delivered due to an error; ... requires an upgrade to Enhanced Protection at ... forwardemail.net": "a sentence of one forwarding service about its prices; a miss",
    "bounces PolicyRelated 2 550 5.1.4 ... Recipient address rejected: Access denied.": "Microsoft's answer for an address that its directory does not list",
    "bounces PolicyRelated 5 552 ... sender rejected AUP": "the sender is refused, which is the closer class",
    "bounces SpamBlock 13 550 ... Recipient not on bypass list, your IP has been found on a block list": "two causes in one reply; the block list comes second",
}
FLUFL_DIFFERENCES: Final = {
    "sendmail_01.txt": "the address that was expanded is not counted beside the one it came to",
    "yale_01.txt": "gives a local part only, and an example of an address; a miss",
    "llnl_01.txt": "gives a pattern for addresses in the form of one; a miss",
    "aol_01.txt": "gives a screen name only, and no domain",
}
_PIPELINED: Final = "DATA stood in the same packet: that no recipient is left was its reply"
_UNSAID: Final = "says “unknown user”; that a filter said so cannot be seen in the message"
SISIMAI_DIFFERENCES: Final = {
    "recipients": {
        "lhost-postfix-64.eml": "Postfix says itself that its report is not available",
        "lhost-postfix-75.eml": "a transcript for the postmaster, not a bounce",
    },
    "status": {
        "lhost-amazonworkmail-05.eml 0": "4.4.7 is said first: the time is over; the reply within stands behind it",
        "lhost-sendmail-18.eml 0": "the report says 5.0.0; 5.3.0 stands in the transcript of a program",
        "rfc3464-28.eml 1": "the second part speaks of a recipient who was served",
    },
    "reply": {
        "lhost-amazonses-12.eml 0": "a notice of a delivery in JSON, not a bounce",
        "lhost-amazonses-13.eml 0": "a notice of a delivery in JSON, not a bounce",
        "lhost-amazonworkmail-05.eml 0": "554 is said first; the reply within stands behind it",
        "lhost-sendmail-18.eml 0": "255 is the exit status of a program, and no reply; a miss",
        "lhost-v5sendmail-02.eml 0": "554 stands first in the line, 550 within it",
        "lhost-v5sendmail-07.eml 1": "554 stands first in the line, 550 within it",
        "rfc3464-28.eml 1": "the second part speaks of a recipient who was served",
    },
    "hard": {
        "lhost-apachejames-01.eml 0": _UNSAID,
        "lhost-exchange2003-04.eml 0": _UNSAID,
        "lhost-mailru-08.eml 0": "this provider says “unknown user” for its filter, too",
        "lhost-mcafee-01.eml 0": _UNSAID,
        "lhost-opensmtpd-12.eml 0": "a notice of a delay: it is still being tried",
        "lhost-postfix-07.eml 0": _UNSAID,
        "lhost-postfix-36.eml 0": "this provider says “unknown user” for its filter, too",
        "lhost-sendmail-27.eml 0": _PIPELINED,
        "lhost-sendmail-48.eml 0": _PIPELINED,
        "lhost-surfcontrol-01.eml 0": _UNSAID,
        "lhost-x1-01.eml 0": _UNSAID,
        "lhost-zoho-03.eml 0": _UNSAID,
    },
}
