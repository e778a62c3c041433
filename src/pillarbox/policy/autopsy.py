"""Why a login was refused: the causes, how each is reported, and which mistakes to look for.

An *autopsy* is for the operator; the client never learns of it. The mistakes that programs make
with a right password are few, and each can be undone: ``REPAIRS`` lists how. Whoever holds the
credentials tries what ``repaired`` yields, and the first that would have succeeded names the cause.
All texts are in ``SENTENCES``; none of them contains a secret.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote

__all__ = [
    "HIDDEN",
    "KEY_MARK",
    "REPAIRS",
    "SENTENCES",
    "Autopsy",
    "Cause",
    "Repair",
    "looks_like_token",
    "repaired",
    "shown_identity",
]

HIDDEN: Final = "(hidden: it may be a secret)"
KEY_MARK: Final = "pb_"
"""What every key and app password begins with."""

_LONGEST_SHOWN: Final = 128  # characters of a user name
_TOKEN: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")  # a JWT's header begins with {"
_QUOTES: Final = ('""', "''", "<>", "``", "“”", "\u2018\u2019")


class Cause(Enum):
    """What was wrong with a login. The values are part of the public surface."""

    # Who it was.
    UNKNOWN_USER = "unknown_user"
    NO_USER = "no_user"
    OTHER_IDENTITY = "other_identity"
    # A secret that was right once, or is right elsewhere.
    WRONG_SECRET = "wrong_secret"  # noqa: S105 - these are names
    FORMER_SECRET = "former_secret"  # noqa: S105
    REVOKED = "revoked"
    EXPIRED = "expired"
    OTHER_CREDENTIAL = "other_credential"
    OTHER_PROJECT = "other_project"
    SANDBOX_ONLY = "sandbox_credential"
    NOT_SANDBOX = "live_credential"
    NO_SCOPE = "no_scope"
    # A right secret in a wrong shape.
    SWAPPED = "swapped"
    ENCODED_TWICE = "encoded_twice"
    LINE_END = "line_end"
    WHITE_SPACE = "white_space"
    QUOTED = "quoted"
    URL_ENCODED = "url_encoded"
    CASE_OF_USER = "case_of_user"
    CASE_OF_SECRET = "case_of_secret"  # noqa: S105
    LOCAL_PART = "local_part"
    FULL_ADDRESS = "full_address"
    USER_IN_SECRET = "user_in_secret"  # noqa: S105
    SCHEME_IN_SECRET = "scheme_in_secret"  # noqa: S105
    OTHER_CHARSET = "other_charset"
    UNICODE_FORM = "unicode_form"
    CUT_OFF = "cut_off"
    EMPTY_SECRET = "empty_secret"  # noqa: S105
    TOO_LONG = "too_long"
    # How it was said.
    MALFORMED = "malformed"
    NOT_BASE64 = "not_base64"
    CANCELED = "canceled"
    NOT_OFFERED = "not_offered"
    NOT_BEFORE_TLS = "not_before_tls"
    NO_VERIFIER = "no_verifier"
    BAD_PROOF = "bad_proof"
    BAD_BINDING = "bad_binding"
    # Tokens.
    TOKEN_AS_PASSWORD = "token_as_password"  # noqa: S105
    TOKEN_MALFORMED = "token_malformed"  # noqa: S105
    TOKEN_ALGORITHM = "token_algorithm"  # noqa: S105
    TOKEN_KEY = "token_key"  # noqa: S105
    TOKEN_SIGNATURE = "token_signature"  # noqa: S105
    TOKEN_ISSUER = "token_issuer"  # noqa: S105
    TOKEN_AUDIENCE = "token_audience"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_EARLY = "token_not_yet_valid"  # noqa: S105
    CLOCK_SKEW = "clock_skew"
    TOKEN_USER = "token_user"  # noqa: S105
    TOKEN_SCOPE = "token_scope"  # noqa: S105
    TOKEN_INACTIVE = "token_inactive"  # noqa: S105
    # Not the client's fault.
    SOURCE_DOWN = "source_down"
    BUSY = "busy"
    TOO_MANY_FAILURES = "too_many_failures"
    NOBODY_KNOWN = "nobody_known"


SENTENCES: Final[dict[Cause, str]] = {
    Cause.UNKNOWN_USER: "nobody is known by this user name",
    Cause.NO_USER: "no user name was given",
    Cause.OTHER_IDENTITY: "the login is right, but asks to act as somebody else",
    Cause.WRONG_SECRET: "the user is known, and the password is not the one that is kept, nor a "
    "former one",
    Cause.FORMER_SECRET: "this is a former secret",
    Cause.REVOKED: "the credential was revoked",
    Cause.EXPIRED: "the credential has expired",
    Cause.OTHER_CREDENTIAL: "the key is right, but it is that of another credential",
    Cause.OTHER_PROJECT: "the credential belongs to a project that may not log in here",
    Cause.SANDBOX_ONLY: "the credential is for the sandbox, and this listener is not",
    Cause.NOT_SANDBOX: "the credential is a live one, and this listener is the sandbox's",
    Cause.NO_SCOPE: "the credential may not be used for SMTP",
    Cause.SWAPPED: "user name and password are swapped",
    Cause.ENCODED_TWICE: "the right login was base64-coded twice",
    Cause.LINE_END: "a line end is stuck to the user name or the password",
    Cause.WHITE_SPACE: "white space surrounds the user name or the password",
    Cause.QUOTED: "the user name or the password is in quotation marks",
    Cause.URL_ENCODED: "the user name or the password is URL-encoded (%40 for @)",
    Cause.CASE_OF_USER: "the user name is right but for upper and lower case",
    Cause.CASE_OF_SECRET: "the password is right but for upper and lower case (caps lock?)",
    Cause.LOCAL_PART: "the user name has a domain behind it that does not belong there",
    Cause.FULL_ADDRESS: "the user name lacks its domain",
    Cause.USER_IN_SECRET: "the password has the user name in front of it",
    Cause.SCHEME_IN_SECRET: "a word such as Bearer stands in front of the key",
    Cause.OTHER_CHARSET: "the password was sent in another character set than UTF-8",
    Cause.UNICODE_FORM: "the password was sent in another Unicode form",
    Cause.CUT_OFF: "the key is not whole: it was cut off, or more was pasted with it",
    Cause.EMPTY_SECRET: "the password or the user name is empty (is the variable set?)",
    Cause.TOO_LONG: "the password is longer than any can be",
    Cause.MALFORMED: "the response does not have the form of its mechanism",
    Cause.NOT_BASE64: "the response is not base64",
    Cause.CANCELED: "the client gave up in the middle",
    Cause.NOT_OFFERED: "the client used a mechanism that is not offered here",
    Cause.NOT_BEFORE_TLS: "the client tried to log in before STARTTLS",
    Cause.NO_VERIFIER: "the user is known, but nothing is kept for this mechanism: rotate the "
    "credential and have it kept",
    Cause.BAD_PROOF: "the user is known, and its proof is not that of the kept password; this "
    "mechanism never shows which password was tried",
    Cause.BAD_BINDING: "the proof is bound to another TLS connection: somebody may stand between",
    Cause.TOKEN_AS_PASSWORD: "a bearer token was sent as a password: the client should use "
    "OAUTHBEARER or XOAUTH2",
    Cause.TOKEN_MALFORMED: "the token is none that can be read",
    Cause.TOKEN_ALGORITHM: "the token is signed by an algorithm that is not allowed",
    Cause.TOKEN_KEY: "the token is signed by a key that its issuer does not publish",
    Cause.TOKEN_SIGNATURE: "the token's signature is wrong",
    Cause.TOKEN_ISSUER: "the token is from another issuer",
    Cause.TOKEN_AUDIENCE: "the token is for another audience",
    Cause.TOKEN_EXPIRED: "the token has expired",
    Cause.TOKEN_EARLY: "the token is not valid yet",
    Cause.CLOCK_SKEW: "the token is from the near future: a clock is wrong, here or at its issuer",
    Cause.TOKEN_USER: "the token is for another user than the client says",
    Cause.TOKEN_SCOPE: "the token is not good for the scope that is asked for",
    Cause.TOKEN_INACTIVE: "its issuer says that the token is not active (any more)",
    Cause.SOURCE_DOWN: "the source that knows the users does not answer",
    Cause.BUSY: "too many logins at the same time",
    Cause.TOO_MANY_FAILURES: "too many failed logins from there; not even looked at",
    Cause.NOBODY_KNOWN: "there is no source of users for this mechanism",
}
"""What an operator is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Autopsy:
    """What is known about one refused login."""

    cause: Cause
    credential: str = ""  # whose secret it was, or is nearly
    detail: str = ""  # what else is known: when, by whom, which; never a secret
    changed_at: float | None = None  # when the secret was rotated or revoked

    def __str__(self) -> str:
        """Return the sentence for the operator."""
        sentence = SENTENCES[self.cause]
        of = f" (`{self.credential}`)" if self.credential else ""
        return f"{sentence}{of}: {self.detail}" if self.detail else f"{sentence}{of}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A mistake, undone: if this would have succeeded, ``cause`` is what was wrong."""

    cause: Cause
    user: str
    secret: str

    def __repr__(self) -> str:
        return f"Repair({self.cause}, ***)"


_Pair = tuple[str, str]


def _each(change: Callable[[str], str]) -> Callable[[str, str], Iterator[_Pair]]:
    """Return a repair that changes both, then each alone."""

    def repair(user: str, secret: str) -> Iterator[_Pair]:
        new_user, new_secret = change(user), change(secret)
        yield new_user, new_secret
        yield user, new_secret
        yield new_user, secret

    return repair


def _decoded(text: str) -> str:
    try:
        decoded = b64decode(text, validate=True).decode("utf-8")
    except (BinasciiError, ValueError):
        return text
    return decoded or text


def _without_quotes(text: str) -> str:
    for opening, closing in _QUOTES:
        if len(text) > 2 and text[0] == opening and text[-1] == closing:  # noqa: PLR2004 - both
            return text[1:-1]
    return text


def _swapped(user: str, secret: str) -> Iterator[_Pair]:
    yield secret, user


def _fields_in_one(user: str, secret: str) -> Iterator[_Pair]:
    # The whole PLAIN response, coded once more, as user name or password.
    for text in (secret, user):
        fields = _decoded(text).split("\0")
        if len(fields) == 3:  # noqa: PLR2004 - RFC 4616 §2
            yield fields[1], fields[2]


def _case_of_user(user: str, secret: str) -> Iterator[_Pair]:
    yield user.casefold(), secret


def _case_of_secret(user: str, secret: str) -> Iterator[_Pair]:
    yield user, secret.swapcase()
    yield user, secret[:1].swapcase() + secret[1:]  # a telephone's first letter


def _local_part(user: str, secret: str) -> Iterator[_Pair]:
    for mark in ("@", "%"):
        if mark in user:
            yield user.rpartition(mark)[0], secret
    if "\\" in user:  # DOMAIN\user
        yield user.rpartition("\\")[2], secret


def _user_in_secret(user: str, secret: str) -> Iterator[_Pair]:
    yield user, secret.removeprefix(f"{user}:")
    name, mark, rest = user.partition(":")
    if mark:
        yield name, rest
        yield name, secret


def _scheme(user: str, secret: str) -> Iterator[_Pair]:
    first, mark, rest = secret.partition(" ")
    if mark and first.isalpha():
        yield user, rest
    first, mark, rest = secret.partition("=")
    if mark and first.replace("_", "").isalnum():  # PILLARBOX_KEY=...
        yield user, rest


def _other_charset(user: str, secret: str) -> Iterator[_Pair]:
    try:
        yield user, secret.encode("latin-1").decode("utf-8")  # UTF-8 taken for Latin-1
    except UnicodeError:
        return


def _unicode_form(user: str, secret: str) -> Iterator[_Pair]:
    for form in ("NFC", "NFD", "NFKC"):
        yield user, unicodedata.normalize(form, secret)


REPAIRS: Final[tuple[tuple[Cause, Callable[[str, str], Iterator[_Pair]]], ...]] = (
    # The likeliest first, the cheapest to explain before what could be taken for it.
    (Cause.LINE_END, _each(lambda text: text.strip("\r\n"))),
    (Cause.WHITE_SPACE, _each(str.strip)),
    (Cause.SWAPPED, _swapped),
    (Cause.ENCODED_TWICE, _each(_decoded)),
    (Cause.ENCODED_TWICE, _fields_in_one),
    (Cause.QUOTED, _each(_without_quotes)),
    (Cause.URL_ENCODED, _each(unquote)),
    (Cause.CASE_OF_USER, _case_of_user),
    (Cause.LOCAL_PART, _local_part),
    (Cause.USER_IN_SECRET, _user_in_secret),
    (Cause.SCHEME_IN_SECRET, _scheme),
    (Cause.CASE_OF_SECRET, _case_of_secret),
    (Cause.OTHER_CHARSET, _other_charset),
    (Cause.UNICODE_FORM, _unicode_form),
)


def repaired(user: str, secret: str) -> Iterator[Repair]:
    """Yield what the client may have meant, most likely first, each pair once."""
    seen = {(user, secret)}
    for cause, repair in REPAIRS:
        for pair in repair(user, secret):
            if all(pair) and pair not in seen:
                seen.add(pair)
                yield Repair(cause, *pair)


def looks_like_token(secret: str) -> bool:
    """Whether a text has the form of a signed token (RFC 7519 §3)."""
    return _TOKEN.fullmatch(secret.strip()) is not None


def shown_identity(user: str, *, is_known: bool, secret: str = "") -> str:
    """Return a user name as it may be shown: not if it could be a secret in the wrong place.

    Args:
        user: As the client gave it.
        is_known: Whether somebody goes by that name, so that it is no secret.
        secret: What the client gave as its secret, if anything.
    """
    if is_known:
        return user
    holds_secret = KEY_MARK in user or _TOKEN.search(user) or (secret and secret in user)
    if holds_secret or "\0" in user or any(len(part) > 40 for part in user.split("@")):  # noqa: PLR2004 - longer than names are
        return HIDDEN
    return user[:_LONGEST_SHOWN]
