"""Which of our classes are right for the replies that others collected."""

from __future__ import annotations

from typing import Final

__all__ = ["FIELD_MANUAL", "KUMOMTA"]

# One for each reply, in the order of the file; "|" where two are as good. The manual has no
# classes: these are ours, given by reading each reply and its description there. They are no
# independent judgment; what they prove is that nothing changes unseen.
FIELD_MANUAL: Final = """
content-refused|bad-reputation rate-limited server-error server-error timeout|connection-lost|idle-connection
rate-limited|server-error recipient-unverified|connection-lost server-error
recipient-rate-limited server-error|rate-limited
dns-missing greylisted policy-block|bad-reputation server-error|temporary-unspecified server-error
server-error server-error rate-limited|bad-reputation recipient-restricted|policy-block
server-error|greylisted
server-error greylisted|temporary-unspecified server-error mailbox-full server-error
server-error recipient-rate-limited mailbox-full syntax-error syntax-error
unknown-recipient mailbox-disabled relay-denied dmarc-fail bad-reputation
unknown-recipient unknown-recipient unknown-recipient bad-reputation
unknown-recipient|recipient-restricted
content-refused unknown-recipient unknown-recipient ptr-missing mailbox-disabled
content-refused unknown-recipient policy-block unknown-recipient content-refused
content-refused recipient-rate-limited content-refused unknown-recipient unknown-recipient
syntax-error policy-block|bad-reputation policy-block|bad-reputation bad-reputation dns-missing
policy-block|sender-refused recipient-restricted unknown-recipient unknown-recipient dns-missing
dns-missing syntax-error|sender-refused relay-denied relay-denied bad-reputation
unknown-recipient unknown-recipient content-refused|policy-block
policy-block|bad-reputation|recipient-restricted loop
unknown-domain server-error|unknown-domain too-large content-refused policy-block
mailbox-full mailbox-full mailbox-full bad-reputation recipient-rate-limited
recipient-rate-limited unknown-recipient mailbox-disabled server-error|permanent-unspecified
dmarc-fail|policy-block
content-refused|policy-block policy-block|content-refused content-refused mailbox-full
bad-reputation|content-refused
policy-block relay-denied unknown-recipient unknown-recipient|unknown-domain content-refused
content-refused unknown-recipient
"""

# KumoMTA files all of X.7.x under one class, so that many of ours are right there.
_LOGIN: Final = (
    "authentication-required auth-mechanism basic-auth-off wrong-password tls-required tls-failed "
    "authentication-missing spf-fail dkim-fail dmarc-fail arc-fail ptr-missing relay-denied "
    "policy-block recipient-restricted dns-missing requiretls-unsupported sender-refused "
    "auth-temporarily-unavailable permanent-unspecified mailbox-disabled certificate-invalid"
)
KUMOMTA: Final = {
    name: frozenset(classes.split())
    for name, classes in {
        "InvalidRecipient": "unknown-recipient unknown-domain recipient-restricted list-problem",
        "BadDomain": "no-mail-accepted unknown-domain unknown-recipient",
        "InactiveMailbox": "mailbox-disabled moved mailbox-full",
        "InvalidSender": "dns-missing sender-refused",
        "QuotaIssues": "mailbox-full too-large server-error",
        "NoAnswerFromHost": "timeout connection-failed",
        "BadConnection": "connection-lost",
        "DNSFailure": "dns-failed unknown-domain",
        "RoutingErrors": "cannot-route loop relay-denied unknown-recipient authentication-required",
        "TransientFailure": "server-error temporary-unspecified recipient-rate-limited rate-limited",
        "MessageExpired": "expired",
        "ProtocolErrors": "protocol-error syntax-error malformed-message too-many-recipients content-refused",
        "AuthenticationFailed": _LOGIN,
        "PolicyRelated": "policy-block rate-limited dmarc-fail content-refused recipient-restricted",
        "TooManyRecipients": "too-many-recipients",
        "SpamBlock": "bad-reputation content-refused policy-block sender-refused",
        "SpamContent": "content-refused",
    }.items()
}
