"""OAUTHBEARER and XOAUTH2: a bearer token from an issuer instead of a password.

RFC 7628 is the standard; XOAUTH2 is what Google and Microsoft had before, and still have. When a
server refuses a token it explains in JSON what it wants, and the client answers with an empty
response before it gets the 535 (RFC 7628 §3.2.3).
"""

from __future__ import annotations

import json
import re
from typing import Final

from pillarbox.smtp.sasl.claims import TokenClaim
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    ClientSetting,
    Direct,
    MalformedResponseError,
    ServerSetting,
    ServerStep,
)
from pillarbox.smtp.sasl.scram_messages import encode_name, read_gs2_header

__all__ = ["OauthBearerClient", "OauthBearerServer", "XOauth2Client", "XOauth2Server"]

_SEPARATOR: Final = "\x01"  # RFC 7628 §3.1
_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")  # RFC 6750 §2.1
_FIELD: Final = re.compile(r"([A-Za-z]+)=([\t\n\r -~\x80-\U0010ffff]*)")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_MAX_EXPLANATION: Final = 200  # characters of a server's explanation that are worth telling


class OauthBearerServer(Direct):
    """The server side of OAUTHBEARER."""

    __slots__ = ("_setting",)

    def __init__(self, setting: ServerSetting) -> None:
        super().__init__(setting)
        self._setting = setting

    def step(self, response: bytes | None) -> ServerStep:
        """Ask for the one response, or read it."""
        if response is None:
            return Challenge(b"")
        header, rest = read_gs2_header(_text(response))
        if header.flag == "p":
            raise MalformedResponseError("OAUTHBEARER binds no channel")
        if not rest.startswith(_SEPARATOR):
            raise MalformedResponseError("no separator stands behind the GS2 header")
        fields = _fields(rest[1:])
        port = fields.get("port", "")
        return TokenClaim(
            header.authorization_identity,
            _token(fields.get("auth", "")),
            fields.get("host", ""),
            int(port) if _PORT.fullmatch(port) else 0,
        )

    def explain(self) -> bytes:
        """Say what was wrong, and where a token comes from (RFC 7628 §3.2.2)."""
        told = {"status": "invalid_token"}
        if self._setting.token_scope:
            told["scope"] = self._setting.token_scope
        if self._setting.token_discovery:
            told["openid-configuration"] = self._setting.token_discovery
        return json.dumps(told).encode()


class XOauth2Server(Direct):
    """The server side of XOAUTH2."""

    __slots__ = ("_setting",)

    def __init__(self, setting: ServerSetting) -> None:
        super().__init__(setting)
        self._setting = setting

    def step(self, response: bytes | None) -> ServerStep:
        """Ask for the one response, or read it: ``user=`` and ``auth=``."""
        if response is None:
            return Challenge(b"")
        fields = _fields(_text(response))
        if not fields.get("user"):
            raise MalformedResponseError("no user is named")
        return TokenClaim(fields["user"], _token(fields.get("auth", "")))

    def explain(self) -> bytes:
        """Say what was wrong, as Google does."""
        told = {"status": "401", "schemes": "bearer"}
        if self._setting.token_scope:
            told["scope"] = self._setting.token_scope
        return json.dumps(told).encode()


class _TokenClient:
    """Common to both clients: one message, and how to take a refusal."""

    __slots__ = ("_message", "explanation", "is_finished")

    farewell = b""  # what answers the explanation

    def __init__(self, message: str) -> None:
        self._message = message.encode()
        self.is_finished = True  # nothing remains to be proved
        self.explanation = ""

    def initial_response(self) -> bytes:
        """Return the whole exchange."""
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        """Return the message if the server did not take it with AUTH; otherwise accept its
        explanation.
        """
        if not challenge:
            return self._message
        self.is_finished = False  # it cannot succeed any more
        self.explanation = challenge[:_MAX_EXPLANATION].decode("utf-8", "replace")
        return self.farewell


class OauthBearerClient(_TokenClient):
    """The client side of OAUTHBEARER."""

    __slots__ = ()

    farewell = b"\x01"  # RFC 7628 §3.2.3

    def __init__(self, setting: ClientSetting) -> None:
        user = f"a={encode_name(setting.user)}" if setting.user else ""
        fields = [f"auth=Bearer {setting.token}"]
        if setting.host:
            fields.insert(0, f"host={setting.host}\x01port={setting.port}")
        super().__init__(f"n,{user},\x01" + "".join(f"{field}\x01" for field in fields) + "\x01")


class XOauth2Client(_TokenClient):
    """The client side of XOAUTH2."""

    __slots__ = ()

    def __init__(self, setting: ClientSetting) -> None:
        super().__init__(f"user={setting.user}\x01auth=Bearer {setting.token}\x01\x01")


def _text(response: bytes) -> str:
    try:
        text = response.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedResponseError("the response is not UTF-8") from None
    if "\0" in text:
        raise MalformedResponseError("the response holds NUL")
    return text


def _fields(text: str) -> dict[str, str]:
    """Return the fields of ``*(key "=" value kvsep) kvsep`` (RFC 7628 §3.1)."""
    *parts, before_last, last = ("", *text.split(_SEPARATOR))
    if before_last or last:
        raise MalformedResponseError("the last separator is missing")
    fields: dict[str, str] = {}
    for field in parts[1:]:
        found = _FIELD.fullmatch(field)
        if found is None or found[1].lower() in fields:
            raise MalformedResponseError("a field is malformed, or comes twice")
        fields[found[1].lower()] = found[2]
    return fields


def _token(value: str) -> str:
    # A client may show no token at all, to learn from the refusal where to get one.
    if not value:
        return ""
    found = _BEARER.fullmatch(value)
    if found is None:
        raise MalformedResponseError("not a bearer token")
    return found[1]
