"""Every reply that the server side sends of its own accord, in one place.

The texts are fixed: nothing that a client sent is ever repeated in them.
"""

from __future__ import annotations

from typing import Final

from pillarbox.smtp.reply import Reply

__all__ = [
    "AUTHENTICATED",
    "AUTHENTICATION_CANCELED",
    "AUTHENTICATION_REQUIRED",
    "BAD_BASE64",
    "BAD_CHUNK_SIZE",
    "BAD_COMMAND_LINE",
    "BAD_CREDENTIALS_FORM",
    "BAD_HELLO_NAME",
    "BAD_LINE_END",
    "BAD_MAIL_SYNTAX",
    "BAD_PARAMETER_VALUE",
    "BAD_RCPT_SYNTAX",
    "BAD_RECIPIENT",
    "BAD_SENDER",
    "BAD_SEQUENCE",
    "BAD_UTF8",
    "BARE_LINE_END",
    "CHUNK_ACCEPTED",
    "COMMAND_LINE_TOO_LONG",
    "COMMAND_LINE_TOO_LONG_CLOSING",
    "CONTENT_HAS_NUL",
    "CONTENT_TOO_LARGE",
    "CONTENT_TOO_LARGE_CLOSING",
    "DUPLICATE_PARAMETER",
    "EARLY_TALKER",
    "ENCRYPTION_REQUIRED",
    "EXPN_REFUSED",
    "FORBIDDEN",
    "HELLO_FIRST",
    "HELP",
    "MESSAGE_ACCEPTED",
    "MISSING_ARGUMENT",
    "NOT_IMPLEMENTED",
    "NOT_SMTP",
    "NO_ARGUMENT_ALLOWED",
    "NO_INITIAL_RESPONSE",
    "OK",
    "QUIT",
    "RECIPIENT_ACCEPTED",
    "RECIPIENT_NEEDS_SMTPUTF8",
    "RESPONSE_TOO_LONG",
    "SENDER_ACCEPTED",
    "SENDER_NEEDS_SMTPUTF8",
    "SHUTTING_DOWN",
    "START_CONTENT",
    "START_TLS",
    "TEXT_LINE_TOO_LONG",
    "TIMED_OUT",
    "TLS_ON_PLAIN_PORT",
    "TLS_REQUIRED",
    "TOO_MANY_ERRORS",
    "TOO_MANY_JUNK_COMMANDS",
    "TOO_MANY_MESSAGES",
    "TOO_MANY_RECIPIENTS",
    "UNKNOWN_COMMAND",
    "UNKNOWN_MECHANISM",
    "UNKNOWN_PARAMETER",
    "VERIFY_UNSURE",
]

_of = Reply.of

# Success, and "go on".
OK: Final = _of(250, "2.0.0", "OK")
SENDER_ACCEPTED: Final = _of(250, "2.1.0", "Sender OK")
RECIPIENT_ACCEPTED: Final = _of(250, "2.1.5", "Recipient OK")
MESSAGE_ACCEPTED: Final = _of(250, "2.0.0", "Message accepted")
CHUNK_ACCEPTED: Final = _of(250, "2.0.0", "Chunk received")
START_CONTENT: Final = _of(354, None, "End data with <CR><LF>.<CR><LF>")
START_TLS: Final = _of(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED: Final = _of(235, "2.7.0", "Authentication successful")
VERIFY_UNSURE: Final = _of(252, "2.0.0", "Cannot verify, but will take mail and try to deliver it")
HELP: Final = _of(214, "2.0.0", "See RFC 5321")
QUIT: Final = _of(221, "2.0.0", "Bye", closes=True)

# Command lines.
UNKNOWN_COMMAND: Final = _of(500, "5.5.2", "Command not recognized")
BAD_COMMAND_LINE: Final = _of(500, "5.5.2", "Command lines must not hold NUL or a bare CR")
BAD_LINE_END: Final = _of(500, "5.5.2", "Command lines must end in <CR><LF>")
BAD_UTF8: Final = _of(501, "5.5.2", "Command is not valid UTF-8")
COMMAND_LINE_TOO_LONG: Final = _of(500, "5.5.2", "Command line too long")
COMMAND_LINE_TOO_LONG_CLOSING: Final = _of(500, "5.5.2", "Command line too long", closes=True)
MISSING_ARGUMENT: Final = _of(501, "5.5.4", "This command needs an argument")
NO_ARGUMENT_ALLOWED: Final = _of(501, "5.5.4", "This command takes no argument")
NOT_IMPLEMENTED: Final = _of(502, "5.5.1", "Command not implemented")
EXPN_REFUSED: Final = _of(502, "5.5.1", "Mailing lists are not shown")
FORBIDDEN: Final = _of(550, "5.7.0", "Not allowed from this client")
NOT_SMTP: Final = _of(554, "5.5.1", "This is an SMTP server", closes=True)
TLS_ON_PLAIN_PORT: Final = _of(501, "5.5.1", "Use STARTTLS on this port", closes=True)
EARLY_TALKER: Final = _of(554, "5.5.0", "You talked before the greeting", closes=True)

# Order.
BAD_SEQUENCE: Final = _of(503, "5.5.1", "Bad sequence of commands")
HELLO_FIRST: Final = _of(503, "5.5.1", "Say EHLO first")
TLS_REQUIRED: Final = _of(530, "5.7.0", "Must issue a STARTTLS command first")
AUTHENTICATION_REQUIRED: Final = _of(530, "5.7.0", "Authentication required")

# Arguments.
BAD_HELLO_NAME: Final = _of(501, "5.5.4", "Needs a domain name or an address literal")
BAD_MAIL_SYNTAX: Final = _of(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
BAD_RCPT_SYNTAX: Final = _of(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
BAD_SENDER: Final = _of(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT: Final = _of(501, "5.1.3", "Bad recipient address syntax")
SENDER_NEEDS_SMTPUTF8: Final = _of(553, "5.6.7", "Sender address needs SMTPUTF8")
RECIPIENT_NEEDS_SMTPUTF8: Final = _of(553, "5.6.7", "Recipient address needs SMTPUTF8")
UNKNOWN_PARAMETER: Final = _of(555, "5.5.4", "Parameter not recognized or not offered")
DUPLICATE_PARAMETER: Final = _of(501, "5.5.4", "Parameter given twice")
BAD_PARAMETER_VALUE: Final = _of(501, "5.5.4", "Bad value of a parameter")
BAD_CHUNK_SIZE: Final = _of(501, "5.5.4", "Syntax: BDAT size [LAST]", closes=True)

# Content.
CONTENT_TOO_LARGE: Final = _of(552, "5.3.4", "Message is larger than this server takes")
CONTENT_TOO_LARGE_CLOSING: Final = _of(
    552, "5.3.4", "Message is larger than this server takes", closes=True
)
BARE_LINE_END: Final = _of(550, "5.5.2", "Message holds a CR or LF that is not part of <CR><LF>")
CONTENT_HAS_NUL: Final = _of(550, "5.6.0", "Message holds a NUL octet")
TEXT_LINE_TOO_LONG: Final = _of(550, "5.6.0", "Message holds a line that is too long")

# Authentication (RFC 4954 §4, §6).
UNKNOWN_MECHANISM: Final = _of(504, "5.5.4", "Authentication mechanism not offered")
ENCRYPTION_REQUIRED: Final = _of(538, "5.7.11", "Encryption required for authentication")
AUTHENTICATION_CANCELED: Final = _of(501, "5.7.0", "Authentication canceled")
BAD_BASE64: Final = _of(501, "5.5.2", "Response is not valid base64")
BAD_CREDENTIALS_FORM: Final = _of(501, "5.5.2", "Response does not fit the mechanism")
NO_INITIAL_RESPONSE: Final = _of(501, "5.7.0", "This mechanism begins with a challenge")
RESPONSE_TOO_LONG: Final = _of(500, "5.5.6", "Authentication exchange line too long")

# Limits: those that can be waited out are 4xx.
TOO_MANY_RECIPIENTS: Final = _of(452, "4.5.3", "Too many recipients in one message")
TOO_MANY_ERRORS: Final = _of(421, "4.7.0", "Too many errors", closes=True)
TOO_MANY_JUNK_COMMANDS: Final = _of(421, "4.7.0", "Too many commands without mail", closes=True)
TOO_MANY_MESSAGES: Final = _of(421, "4.7.0", "Too many messages in this session", closes=True)
SHUTTING_DOWN: Final = _of(421, "4.3.2", "Shutting down", closes=True)
TIMED_OUT: Final = _of(421, "4.4.2", "Timed out", closes=True)
