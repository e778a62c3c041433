"""What each line of an SMTP session means, in a sentence for who sees one for the first time.

Tables of verbs, reply codes, enhanced codes and extensions; nothing is decided here, and a
line that stands in no table has no note. RFC 5321 §4; RFC 3463; the RFC of each extension.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DialogReader", "explain_reply"]

_REPLY: Final = re.compile(
    r"(?P<code>\d{3})(?P<more>[ -]|$)(?:(?P<enhanced>\d\.\d{1,3}\.\d{1,3}) ?)?(?P<text>.*)"
)

_VERBS: Final = {
    "EHLO": "The client gives its name and asks what the server can do (Extended HELLO).",
    "HELO": "The client gives its name in the old way, without asking for extensions.",
    "LHLO": "The client gives its name as in LMTP, the protocol for delivery into a mailbox.",
    "STARTTLS": "The client asks to continue encrypted; the TLS handshake follows.",
    "MAIL": "A message begins. This is its return address, where bounces go; the From that people "
    "see is in the message itself.",
    "RCPT": "One recipient of the message. To and Cc in the message are only for people to read: "
    "a Bcc recipient appears here and nowhere else.",
    "DATA": "The client wants to send the message itself.",
    "BDAT": "A piece of the message, so many octets long; with LAST it is the last one.",
    "RSET": "The client drops the message that it began; the connection stays open.",
    "NOOP": "Nothing is requested: the client checks that the connection still works.",
    "VRFY": "The client asks whether an address exists. Servers do not say, because of spammers.",
    "EXPN": "The client asks who is on a list. Servers do not say.",
    "HELP": "The client asks for help.",
    "QUIT": "The client has finished and says goodbye.",
}
_AUTH: Final = {
    "PLAIN": "The client logs in: user name and password in one go. Base64 hides nothing; TLS "
    "does.",
    "LOGIN": "The client logs in the old Microsoft way: user name and password one by one.",
    "CRAM-MD5": "The client proves that it knows the password without revealing it (outdated).",
    "SCRAM-SHA-256": "The client and the server prove to each other that they know the password.",
    "XOAUTH2": "The client presents a token instead of a password (Google's and Microsoft's way).",
    "OAUTHBEARER": "The client presents a token instead of a password (RFC 7628).",
}
_NULL_SENDER: Final = (
    "A message begins. <> means that nobody is notified if it fails; bounces and other automatic "
    "replies are sent this way."
)
_DOT: Final = "A line with only a dot: the message is complete."
_ANSWER: Final = "The response to the server's challenge; it is not shown, because it may contain "
"a password."
_MALFORMED: Final = "This is not a line that SMTP knows."

_CODES: Final = {
    "211": "Status or help.",
    "214": "Help.",
    "220": "The server is ready.",
    "221": "The server says goodbye and closes the connection.",
    "235": "The login succeeded.",
    "250": "Done.",
    "251": "The recipient is elsewhere; the server passes the message on.",
    "252": "The server does not say, but would try to deliver.",
    "334": "The server asks for the next part of the login; the text is base64.",
    "354": "The server waits for the message; a line with only a dot ends it.",
    "421": "The server cannot continue now and closes the connection; the client should try again "
    "later.",
    "432": "A password has to be changed first.",
    "450": "Not now: the mailbox is not available; the client should try again later.",
    "451": "Not now: something went wrong at the server; the client should try again later.",
    "452": "Not now: too many recipients at once, or no room; the client should try again later.",
    "454": "Not now: TLS or login does not work at the moment.",
    "455": "The server cannot do what a parameter asks for at the moment.",
    "500": "The server does not know this command, or the line is too long.",
    "501": "The command is known, but its arguments are not.",
    "502": "The command is known but not offered here.",
    "503": "Not in this order: another command has to come first.",
    "504": "The parameter is known but not offered here.",
    "521": "The server takes no mail at all.",
    "523": "The message is longer than the client declared.",
    "530": "The client has to log in first, or has to use TLS first.",
    "534": "This login mechanism is too weak for the server.",
    "535": "The user name or the password is wrong.",
    "538": "This login mechanism is offered only over TLS.",
    "550": "Refused: this mailbox does not exist, or the server does not want this message. The "
    "client must not try again.",
    "551": "The recipient is not here; the text may say where.",
    "552": "Refused: the message is too large, or the mailbox is full.",
    "553": "The server does not allow this address.",
    "554": "Refused permanently. The client must not try again.",
    "555": "The server does not know a parameter of MAIL or RCPT.",
    "556": "The recipient's domain takes no mail.",
}
_CLASSES: Final = {
    "2": "The command was carried out.",
    "3": "Go on.",
    "4": "Not now; the client should try again later.",
    "5": "Refused permanently; the client must not try again.",
}
_ENHANCED: Final = {
    "1.0": "an address",
    "1.1": "the mailbox does not exist",
    "1.2": "the recipient's domain does not exist",
    "1.3": "the recipient's address is malformed",
    "1.5": "the recipient's address is fine",
    "1.6": "the mailbox has moved",
    "1.7": "the sender's address is malformed",
    "1.8": "the sender's domain does not exist",
    "1.10": "the recipient's domain takes no mail",
    "2.1": "the mailbox is not available",
    "2.2": "the mailbox is full",
    "2.3": "the message is too large for the mailbox",
    "3.0": "the mail system",
    "3.1": "the server's disk is full",
    "3.2": "the server takes no mail now",
    "3.4": "the message is too large for the server",
    "4.2": "the connection was bad",
    "4.4": "there is no way to the destination",
    "4.6": "the message is going in a loop",
    "4.7": "it waited too long",
    "5.0": "the protocol",
    "5.1": "a command in the wrong place",
    "5.2": "a malformed command",
    "5.3": "too many recipients",
    "5.4": "a parameter that is not valid",
    "6.0": "what is in the message",
    "6.7": "an address that is not ASCII needs SMTPUTF8",
    "7.0": "security or policy",
    "7.1": "the sender may not send this here",
    "7.8": "the login was wrong",
    "7.9": "the login mechanism is too weak",
    "7.10": "encryption is needed",
    "7.11": "this login mechanism needs encryption",
    "7.25": "the client's address has no host name",
    "7.26": "SPF, DKIM or DMARC failed",
    "7.28": "too much mail at once",
}
_EXTENSIONS: Final = {
    "PIPELINING": "Several commands may be sent at once (RFC 2920).",
    "SIZE": "The largest message accepted, in octets (RFC 1870).",
    "8BITMIME": "Messages may contain octets above 127, as UTF-8 text does (RFC 6152).",
    "SMTPUTF8": "Addresses may have letters beyond ASCII (RFC 6531).",
    "STARTTLS": "The connection can be encrypted (RFC 3207).",
    "AUTH": "The login mechanisms offered to the client (RFC 4954).",
    "CHUNKING": "Messages may be sent in pieces with BDAT instead of DATA (RFC 3030).",
    "DSN": "The client can say when it wants to be notified about a message's delivery (RFC 3461).",
    "ENHANCEDSTATUSCODES": "Replies have a second, finer code such as 5.1.1 (RFC 2034).",
    "REQUIRETLS": "A message can ask for TLS all the way (RFC 8689).",
    "HELP": "The server lists its commands (RFC 5321).",
    "VRFY": "The server may say whether an address exists (RFC 5321).",
    "ETRN": "A server that was offline can ask for the mail waiting for it (RFC 1985).",
    "LIMITS": "How much is accepted in one session (RFC 9422).",
}
_TAKEN: Final = (
    "The message is accepted. From here on, the server is responsible for it, and the client may "
    "forget it."
)
_PIECE: Final = "The piece has arrived; the message is accepted only with the last one."


def explain_reply(text: str) -> str:
    """Return what a reply means: its code, and its enhanced code where it has one."""
    found = _REPLY.match(text)
    if found is None:
        return ""
    code, enhanced = found["code"], found["enhanced"]
    note = _CODES.get(code) or _CLASSES.get(code[0], "")
    detail = _ENHANCED.get(enhanced.partition(".")[2]) if enhanced else None
    if detail and code[0] in "45":
        return f"{note} {enhanced} says what it is about: {detail}."
    return note


class DialogReader:
    """Reads a session from its beginning, since a line's meaning depends on those before.

    Args:
        taken: What to say where a message was taken.
    """

    def __init__(self, taken: str = _TAKEN) -> None:
        self._taken = taken
        self._verb = ""  # of the last command
        self._is_content = False
        self._is_piece = False  # whether the last command was a BDAT that others follow
        self._is_greeting = True
        self._has_named = False  # whether the reply to EHLO has begun: its first line is a name

    def said(self, text: str) -> str:
        """Return what the client's next line does."""
        if self._is_content:
            if text == ".":
                self._is_content = False
                return _DOT
            return ""
        words = text.split()
        verb = words[0].upper() if words else ""
        if verb == "****":
            return _ANSWER
        self._verb = verb
        self._has_named = False
        self._is_piece = verb == "BDAT" and words[-1].upper() != "LAST"
        if verb == "AUTH":
            mechanism = words[1].upper() if len(words) > 1 else ""
            return _AUTH.get(mechanism.removesuffix("-PLUS"), "The client logs in.")
        if verb == "MAIL" and "<>" in text:
            return _NULL_SENDER
        if verb == "BDAT":
            self._is_content = True
        return _VERBS.get(verb, _MALFORMED)

    def replied(self, text: str) -> str:
        """Return what the next line of a reply means."""
        was_content, self._is_content = self._is_content, False
        is_greeting, self._is_greeting = self._is_greeting, False
        found = _REPLY.match(text)
        if found is None:
            return ""
        code = found["code"]
        if is_greeting and code == "220":
            return "The server greets: it gives its name and says that it is ready."
        if self._verb == "EHLO" and code == "250":
            has_named, self._has_named = self._has_named, True
            if not has_named:
                return "The server gives its name; each further line is something it can do."
            return _EXTENSIONS.get(found["text"].partition(" ")[0].upper(), "")
        if self._verb == "STARTTLS" and code == "220":
            return "The server agrees; the TLS handshake begins."
        if code == "354":
            self._is_content = True
        if code == "250" and (was_content or self._verb in {"DATA", "BDAT"}):
            return _PIECE if self._is_piece else self._taken
        if found["more"] == "-":
            return ""
        return explain_reply(text)
