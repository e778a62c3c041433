"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS on the server side (RFC 5802, RFC 7677).

The password never crosses the wire, and nobody can log in with what is stored (``ScramVerifier``).
Before it believes our 235, the client learns that we know its verifier. With -PLUS the proof is
bound to this TLS connection, so that a man in the middle cannot use it.

Any proof that fails ends in a ``ProofClaim`` that says why, to the operator; the client sees one
reply for all of them. An unknown user is taken to the same end.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

from pillarbox.smtp.sasl.claims import ProofClaim, ProofFailure, ScramRequest, ScramVerifier
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    MalformedResponseError,
    ServerSetting,
    ServerStep,
)
from pillarbox.smtp.sasl.saslprep import ProhibitedError, saslprep
from pillarbox.smtp.sasl.scram_messages import (
    END_POINT,
    ClientFinal,
    ClientFirst,
    read_client_final,
    read_client_first,
    read_text,
    xor,
)

__all__ = ["ScramPlusServer", "ScramServer"]


class ScramServer:
    """Without channel binding."""

    __slots__ = ("_first", "_is_proven", "_nonce", "_server_first", "_setting", "_verifier")

    uses_binding = False

    def __init__(self, setting: ServerSetting) -> None:
        self._setting = setting
        self._first: ClientFirst | None = None
        self._nonce = ""
        self._server_first = ""
        self._verifier: ScramVerifier | None = None
        self._is_proven = False

    def step(self, response: bytes | None) -> ServerStep:
        """Read the client's first message, its last one, and the empty one after our proof."""
        if self._first is None:
            # Without an initial response the client is asked for its first message (RFC 4422 §5).
            return Challenge(b"") if response is None else self._begin(read_text(response))
        if self._is_proven:
            if response:
                raise MalformedResponseError("the response to the server's proof is not empty")
            return self._claim(self._first)
        if self._verifier is None:
            raise MalformedResponseError("a message came out of turn")
        return self._check(
            self._first, self._verifier, read_client_final(read_text(response or b""))
        )

    def supply(self, verifier: ScramVerifier) -> ServerStep:
        """Send salt, iterations and our part of the nonce."""
        first, new_nonce = self._first, self._setting.nonce
        if first is None or new_nonce is None:
            raise RuntimeError("no verifier was asked for, or there is no nonce")
        self._verifier = verifier
        self._nonce = first.nonce + new_nonce()
        salt = b64encode(verifier.salt).decode("ascii")
        self._server_first = f"r={self._nonce},s={salt},i={verifier.iterations}"
        return Challenge(self._server_first.encode("ascii"))

    def explain(self) -> bytes | None:
        """Let the reply speak for itself."""
        return None

    def _begin(self, text: str) -> ServerStep:
        first = read_client_first(text)
        if (first.header.flag == "p") is not self.uses_binding:
            raise MalformedResponseError("the channel binding flag is not of this mechanism")
        try:
            identity = saslprep(first.identity)
        except ProhibitedError as error:
            raise MalformedResponseError(f"the name {error}") from None
        if not identity:
            raise MalformedResponseError("the name is empty")
        self._first = ClientFirst(first.header, first.bare, identity, first.nonce)
        if self.uses_binding and first.header.binding_type != END_POINT:
            return self._claim(self._first, ProofFailure.UNKNOWN_BINDING)
        # RFC 5802 §6: the client supports binding and did not see our offer; somebody removed it.
        if first.header.flag == "y" and self._setting.offers_binding:
            return self._claim(self._first, ProofFailure.DOWNGRADE)
        return ScramRequest(first.header.authorization_identity, identity)

    def _check(self, first: ClientFirst, kept: ScramVerifier, final: ClientFinal) -> ServerStep:
        signed = f"{first.bare},{self._server_first},{final.without_proof}".encode()
        expected_binding = first.header.text.encode()
        if self.uses_binding:
            expected_binding += self._setting.channel_binding or b""
        signature = hmac.digest(kept.stored_key, signed, "sha256")
        if len(final.proof) != len(signature):
            raise MalformedResponseError("the proof has another length")
        client_key = xor(final.proof, signature)
        is_right = hmac.compare_digest(hashlib.sha256(client_key).digest(), kept.stored_key)
        if not hmac.compare_digest(final.nonce, self._nonce):
            return self._claim(first, ProofFailure.WRONG_NONCE)
        if not is_right:
            return self._claim(first, ProofFailure.WRONG_PROOF)
        if not hmac.compare_digest(final.binding, expected_binding):
            return self._claim(first, ProofFailure.WRONG_BINDING)
        self._is_proven = True
        proof = b64encode(hmac.digest(kept.server_key, signed, "sha256"))
        return Challenge(b"v=" + proof)

    def _claim(self, first: ClientFirst, failure: ProofFailure | None = None) -> ProofClaim:
        return ProofClaim(first.header.authorization_identity, first.identity, failure)


class ScramPlusServer(ScramServer):
    """With channel binding to the certificate that we presented (tls-server-end-point)."""

    __slots__ = ()

    uses_binding = True
