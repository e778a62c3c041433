"""What is read from replies, log lines, errors of programs and bounces, and what is concluded."""

from __future__ import annotations

import pytest

from pillarbox.diagnosis.entry import Certainty, Fault
from pillarbox.diagnosis.explain import Diagnosis, explain
from pillarbox.diagnosis.observation import Source
from pillarbox.diagnosis.reading.text import read
from pillarbox.smtp.client_outcome import Stage


def diagnosis(text: str) -> Diagnosis:
    """Return the only diagnosis of a text."""
    (observation,) = read(text.encode())
    return explain(observation)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("550 5.1.1 <a@example.org>: User unknown", "unknown-recipient"),
        ("550 5.4.1 Recipient address rejected: Access denied", "unknown-recipient-directory"),
        ("556 5.1.10 Recipient address has a null MX", "null-mx"),
        ("452 4.2.2 The recipient's inbox is out of storage space", "mailbox-full"),
        ("552 5.2.2 Mailbox full", "mailbox-full"),
        ("552 Requested mail action aborted: exceeded storage allocation", "mailbox-full"),
        ("552 5.3.4 Message size exceeds fixed maximum message size", "too-large"),
        ("552-5.2.3 Your message exceeded Google's message size limits.", "too-large"),
        ("552 5.7.0 This message was blocked because its content presents", "attachment-refused"),
        ("550 5.7.1 Message considered as SPAM", "content-refused"),
        ("550 5.7.1 Relaying denied", "relay-denied"),
        ("550 5.7.25 The IP address does not have a PTR record", "ptr-missing"),
        ("550 5.7.26 Unauthenticated email is not accepted - gsmtp", "google-unauthenticated"),
        ("550 5.7.1 rejected due to example.com's DMARC policy", "dmarc-fail"),
        ("550 5.7.23 The message was rejected because of SPF", "spf-fail"),
        ("554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", "listed"),
        ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", "rate-limited"),
        ("450 4.2.0 Recipient address rejected: Greylisted", "greylisted"),
        ("451 4.7.1 Greylisting in action, please come back later", "greylisted"),
        ("535 5.7.8 Error: authentication failed", "wrong-password"),
        ("535-5.7.8 Username and Password not accepted. - gsmtp", "google-app-password"),
        ("534 5.7.9 Application-specific password required - gsmtp", "google-app-password"),
        (
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for "
                "the Tenant."
            ),
            "microsoft-smtp-auth-off",
        ),
        ("530 5.7.0 Must issue a STARTTLS command first", "tls-required"),
        ("530 5.7.0 Authentication required", "authentication-required"),
        ("530 5.7.57 Client not authenticated to send mail", "authentication-required"),
        ("538 Encryption required for requested authentication mechanism", "tls-required"),
        ("504 5.7.4 Unrecognized authentication type", "auth-mechanism"),
        ("454 4.7.0 Temporary authentication failure", "auth-temporary"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as", "sender-not-allowed"),
        ("554 5.4.6 Too many hops", "loop"),
        ("503 5.5.1 Bad sequence of commands", "protocol-error"),
        ("501 5.1.3 Bad recipient address syntax", "bad-address-syntax"),
        ("452 4.5.3 Too many recipients", "recipient-limit"),
        ("599 what", "refused"),
        ("501 5.5.4 Invalid domain name", "helo-refused"),
        ("421 4.7.66 TLS 1.0 and 1.1 are not supported", "tls-failed"),
        ("550 5.4.310 DNS domain example.org does not exist", "unknown-domain"),
        ("554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException", "mailbox-full"),
        ("553 5.7.1 Sender address rejected: not owned by user bob", "sender-not-allowed"),
        ("SMTP connect() failed.", "could-not-connect"),
        ('Error: Missing credentials for "PLAIN"', "credentials-missing"),
        (
            (
                "System.Net.Mail.SmtpException: The SMTP server requires a secure connection or the "
                "client was not authenticated. The server response was: 5.7.0 Must issue a STARTTLS "
                "command first."
            ),
            "tls-required",
        ),
        ("450 4.0.0 hm", "refused-for-now"),
        ("250 2.0.0 OK", "accepted"),
    ],
)
def test_a_reply_has_the_right_first_cause(text: str, entry: str) -> None:
    """The enhanced code and the words tell apart what the reply code leaves open."""
    assert diagnosis(text).causes[0].entry.id == entry


def test_550_5_7_30_is_told_apart_by_its_words() -> None:
    """Microsoft's end of basic authentication and REQUIRETLS share a code, and no remedy."""
    basic = diagnosis("550 5.7.30 Basic authentication is not supported for Client Submission.")
    assert basic.causes[0].entry.id == "microsoft-basic-auth-end"
    assert basic.causes[0].entry.since is not None
    assert basic.causes[0].certainty is Certainty.CERTAIN
    assert diagnosis("550 5.7.30 REQUIRETLS support required").causes[0].entry.id == "requiretls"


def test_a_reply_of_several_lines_is_one_reply() -> None:
    """The codes of further lines are no part of what is said."""
    found = diagnosis("550-5.1.1 The account does not\r\n550-5.1.1 exist. Try\r\n550 5.1.1 again")
    assert found.observation.text == "The account does not exist. Try again"
    assert found.is_hard


def test_what_is_temporary_is_not_hard() -> None:
    """An address that a 4xx reply does not know is not dead yet."""
    found = diagnosis("450 4.1.1 User unknown")
    assert found.is_temporary
    assert not found.is_hard


def test_a_full_mailbox_is_temporary_even_with_a_5xx_code() -> None:
    """Somebody may empty it tomorrow."""
    assert diagnosis("552 5.2.2 Mailbox full").is_temporary


def test_a_second_cause_is_less_sure_than_the_first() -> None:
    """Of two causes, at most one is certain."""
    first, *others = diagnosis("554 5.7.1 spam from a listed host, blocked using rbl").causes
    assert all(cause.certainty <= first.certainty for cause in others)


def test_text_that_says_nothing_has_no_cause() -> None:
    """Nothing is made up."""
    assert not diagnosis("hello world").causes
    assert read(b"  \n") == ()


@pytest.mark.parametrize(
    ("line", "by", "recipient", "host", "stage", "entry"),
    [
        (
            (
                "Nov 21 04:20:01 mx postfix/smtp[7]: 4F1: to=<ann@example.org>, "
                "relay=mx.example.org[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host "
                "mx.example.org[192.0.2.1] said: 550-5.1.1 No such user 550 5.1.1 here (in reply to "
                "RCPT TO command))"
            ),
            "Postfix",
            "ann@example.org",
            "mx.example.org",
            Stage.RECIPIENT,
            "unknown-recipient",
        ),
        (
            (
                "postfix/smtp[1]: A1: to=<bo@example.net>, relay=none, delay=30, dsn=4.4.1, "
                "status=deferred (connect to mx.example.net[192.0.2.1]:25: Connection timed out)"
            ),
            "Postfix",
            "bo@example.net",
            "",
            Stage.CONNECT,
            "timeout",
        ),
        (
            (
                "postfix/smtpd[9]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 "
                "<x@example.com>: Relay access denied; from=<a@b.example> to=<x@example.com>"
            ),
            "Postfix",
            "x@example.com",
            "",
            Stage.RECIPIENT,
            "relay-denied",
        ),
        (
            (
                "2026-11-21 04:20:01 1a-1 == bo@example.net R=dnslookup T=remote_smtp defer (-44) "
                "H=mx.example.net [192.0.2.1]: SMTP error from remote mail server after RCPT TO:"
                "<bo@example.net>: 450 4.7.1 Greylisted"
            ),
            "Exim",
            "bo@example.net",
            "mx.example.net",
            Stage.RECIPIENT,
            "greylisted",
        ),
        (
            (
                "2026-11-21 04:20:01 H=(foo) [192.0.2.9] F=<a@b.example> rejected RCPT <c@d.example>: "
                "relay not permitted"
            ),
            "Exim",
            "c@d.example",
            "",
            Stage.RECIPIENT,
            "relay-denied",
        ),
        (
            (
                "Nov 21 mx sm-mta[1]: x: to=<ann@example.org>, mailer=esmtp, relay=mx.example.org. "
                "[192.0.2.1], dsn=4.0.0, stat=Deferred: Connection refused by mx.example.org."
            ),
            "Sendmail",
            "ann@example.org",
            "mx.example.org",
            Stage.CONNECT,
            "connection-refused",
        ),
        (
            (
                "2026-11-21T04:20:01Z,,,,MX1,,,SMTP,FAIL,12,<id>,ann@example.org,{[{LRT=};{LED=550 "
                "5.4.1 Recipient address rejected: Access denied [x.outlook.com]};{FQDN=}]},1"
            ),
            "Exchange",
            "ann@example.org",
            "",
            Stage.RECIPIENT,
            "unknown-recipient-directory",
        ),
        (
            (
                "2026-11-21T04:20:01.250Z recipient.deferred message=01hz recipient=ann@example.org "
                'host=mx.example.org reply="451 4.7.1 Greylisting in action" stage=recipient'
            ),
            "pillarbox",
            "ann@example.org",
            "mx.example.org",
            Stage.RECIPIENT,
            "greylisted",
        ),
        (
            (
                '{"at":1,"event":"recipient.bounced","recipient":"ann@example.org",'
                '"reply":"552 5.2.2 Mailbox full","stage":"recipient"}'
            ),
            "pillarbox",
            "ann@example.org",
            "",
            Stage.RECIPIENT,
            "mailbox-full",
        ),
    ],
)
def test_a_log_line_is_read(
    line: str, by: str, recipient: str, host: str, stage: Stage, entry: str
) -> None:
    """Recipient, host and stage come from the line, the cause from the reply within it."""
    found = diagnosis(line)
    seen = found.observation
    assert (seen.by, seen.recipient, seen.host, found.stage) == (by, recipient, host, stage)
    assert seen.source is Source.LOG
    assert found.causes[0].entry.id == entry


def test_of_several_lines_about_a_recipient_the_last_counts() -> None:
    """A log shows what became of each recipient, not what was said on the way."""
    first = 'recipient.deferred recipient=a@example.org reply="450 4.7.1 Greylisted"\n'
    last = 'recipient.bounced recipient=a@example.org reply="550 5.1.1 User unknown"\n'
    assert diagnosis(first + last).causes[0].entry.id == "unknown-recipient"


@pytest.mark.parametrize(
    ("text", "by", "stage", "entry"),
    [
        (
            (
                "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted. "
                "Go to\\n5.7.8 https://support.google.com/mail/?p=BadCredentials - gsmtp')"
            ),
            "smtplib",
            Stage.AUTH,
            "google-app-password",
        ),
        (
            "smtplib.SMTPRecipientsRefused: {'a@example.org': (550, b'5.1.1 User unknown')}",
            "smtplib",
            Stage.RECIPIENT,
            "unknown-recipient",
        ),
        (
            "ConnectionRefusedError: [Errno 111] Connection refused",
            "smtplib",
            Stage.CONNECT,
            "connection-refused",
        ),
        (
            "ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
            "smtplib",
            Stage.TLS,
            "tls-failed",
        ),
        (
            "Error: getaddrinfo ENOTFOUND smtp.exmple.com",
            "Nodemailer",
            Stage.RESOLVE,
            "server-name-unknown",
        ),
        (
            "Error: Invalid login: 535 5.7.8 Error: authentication failed",
            "Nodemailer",
            Stage.AUTH,
            "wrong-password",
        ),
        ("SMTP Error: Could not authenticate.", "PHPMailer", Stage.AUTH, "wrong-password"),
        (
            (
                "SMTP Error: data not accepted.SMTP server error: DATA END command failed Detail: "
                "Message rejected as spam SMTP code: 554 Additional SMTP info: 5.7.1"
            ),
            "PHPMailer",
            Stage.FINAL,
            "content-refused",
        ),
        (
            (
                'Expected response code "250" but got code "550", with message "550 5.7.60 SMTP; '
                'Client does not have permissions to send as this sender".'
            ),
            "Symfony Mailer",
            Stage.MAIL,
            "sender-not-allowed",
        ),
        (
            (
                "javax.mail.MessagingException: Could not connect to SMTP host: smtp.example.com, "
                "port: 25; nested exception is: java.net.ConnectException: Connection timed out"
            ),
            "JavaMail",
            Stage.CONNECT,
            "timeout",
        ),
        (
            (
                "javax.mail.MessagingException: Could not connect to SMTP host: smtp.example.com, "
                "port: 465, response: -1"
            ),
            "JavaMail",
            Stage.CONNECT,
            "tls-failed",
        ),
        (
            (
                "javax.mail.MessagingException: Could not connect to SMTP host: smtp.example.com, "
                "port: 587, response: -1"
            ),
            "JavaMail",
            Stage.CONNECT,
            "could-not-connect",
        ),
        (
            "dial tcp 192.0.2.1:25: connect: connection refused",
            "Go",
            Stage.CONNECT,
            "connection-refused",
        ),
        (
            "x509: certificate is valid for mail.example.com, not smtp.example.com",
            "Go",
            Stage.TLS,
            "certificate",
        ),
    ],
)
def test_the_last_line_of_a_stack_trace_is_read(
    text: str, by: str, stage: Stage, entry: str
) -> None:
    """The library, the stage and the cause are found without the code around them."""
    found = diagnosis(f"Traceback (most recent call last):\n  File x, line 1\n{text}")
    assert found.observation.by == by
    assert found.stage is stage
    assert found.causes[0].entry.id == entry


_REPORT = """\
From: MAILER-DAEMON@mx.example.com
To: sender@example.com
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

<ann@example.org>: host mx.example.org said: 550 5.1.1 No such user (in reply to RCPT TO command)

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; ann@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 No such user

Final-Recipient: rfc822; bo@example.net
Action: delayed
Status: 4.4.1

--b
Content-Type: message/rfc822

To: ann@example.org
Subject: hello

--b--
"""


def test_a_notification_tells_of_each_recipient() -> None:
    """The fields of RFC 3464 name recipient, status, host and action, one after the other."""
    ann, bo = map(explain, read(_REPORT.encode()))
    assert ann.observation.recipient == "ann@example.org"
    assert ann.observation.host == "mx.example.org"
    assert str(ann.observation.enhanced) == "5.1.1"
    assert ann.stage is Stage.RECIPIENT
    assert ann.is_hard
    assert ann.causes[0].entry.fault is Fault.RECIPIENT
    assert bo.observation.action == "delayed"
    assert bo.is_temporary


def test_a_bounce_in_prose_names_whom_it_did_not_reach() -> None:
    """The address before the reason counts, not the sender's, and not those of the copy."""
    text = (
        "From: MAILER-DAEMON@mx.example.com\nTo: sender@example.com\nSubject: failure\n\n"
        "Hi. This is the qmail-send program at mx.example.com.\n\n<ann@example.org>:\n"
        "192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 unknown user\n\n"
        "--- Below this line is a copy of the message.\n\nTo: bo@example.net\n"
    )
    found = diagnosis(text)
    assert found.observation.recipient == "ann@example.org"
    assert found.observation.code == 550
    assert found.is_hard


def test_the_whole_reply_is_taken_from_a_transcript() -> None:
    """Sendmail's report has the first line of a reply only; its transcript has all of them."""
    text = (
        "From: MAILER-DAEMON@mx.example.com\nTo: sender@example.com\nSubject: failure\n"
        'Content-Type: multipart/report; boundary="b"\n\n'
        "--b\n\n   ----- The following addresses had permanent fatal errors -----\n"
        "<ann@example.org>\n    (reason: 550-5.7.1 This message is)\n\n"
        "   ----- Transcript of session follows -----\n>>> DATA\n"
        "<<< 550-5.7.1 This message is\n<<< 550 5.7.1 spam\n554 5.0.0 Service unavailable\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        "Final-Recipient: RFC822; ann@example.org\nAction: failed\nStatus: 5.7.1\n"
        "Diagnostic-Code: SMTP; 550-5.7.1 This message is\n\n--b--\n"
    )
    found = diagnosis(text)
    assert found.observation.text == "This message is spam"
    assert found.stage is Stage.FINAL
    assert found.causes[0].entry.kind == "content-refused"


def test_a_complaint_is_no_bounce() -> None:
    """A report of a feedback loop says that the mail arrived and was not wanted."""
    text = (
        "From: fbl@example.net\nTo: abuse@example.com\nSubject: complaint\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an abuse report.\n"
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
        "Original-Rcpt-To: ann@example.net\n\n--b--\n"
    )
    found = diagnosis(text)
    assert found.observation.action == "complaint"
    assert found.observation.recipient == "ann@example.net"
    assert found.causes[0].entry.id == "complaint"
