"""The result of one signature, with the evidence for it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.dkim.outcome import Result, Unverifiable
from pillarbox.mailauth.dkim.record import KeyRecord, key_name
from pillarbox.mailauth.dkim.signature import Signature

__all__ = ["SignatureResult", "describe"]

_SHOWN_SIGNATURE: Final = 8  # characters of b= that tell signatures apart (RFC 6008 §4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureResult:
    """The result of one signature; whatever could not be parsed is empty."""

    result: Result
    reason: str = ""  # in words; "" for a pass without remarks
    domain: str = ""  # d=
    selector: str = ""  # s=
    identity: str = ""  # i=
    algorithm: str = ""  # a=
    signature_start: str = ""  # the first characters of b=, which tell signatures apart
    key_bits: int | None = None
    is_testing: bool = False  # the key says t=y: a failure must not count
    names: tuple[str, ...] = ()  # h=
    evidence: tuple[str, ...] = ()  # each "what: value"

    @property
    def is_pass(self) -> bool:
        """Whether ``domain`` takes responsibility for the message."""
        return self.result is Result.PASS


def describe(
    line: bytes, signature: Signature | None, refusal: Unverifiable | None, key: KeyRecord | None
) -> SignatureResult:
    """Return the result of one signature.

    Args:
        line: Its field, as it stands in the message.
        signature: The parsed signature; None if it could not be parsed.
        refusal: Why it does not pass; None if it does.
        key: The key that was found.
    """
    result = Result.PASS if refusal is None else refusal.result
    reason = "" if refusal is None else refusal.reason
    if signature is None:
        return SignatureResult(result=result, reason=reason, evidence=(f"field: {_shown(line)}",))
    return SignatureResult(
        result=result,
        reason=reason,
        domain=signature.domain,
        selector=signature.selector,
        identity=signature.identity,
        algorithm=signature.algorithm.value,
        signature_start=base64.b64encode(signature.signature).decode()[:_SHOWN_SIGNATURE],
        key_bits=None if key is None else key.bits,
        is_testing=key is not None and key.is_testing,
        names=tuple(name.decode("ascii") for name in signature.names),
        evidence=_evidence(signature, refusal, key),
    )


def _evidence(
    signature: Signature, refusal: Unverifiable | None, key: KeyRecord | None
) -> tuple[str, ...]:
    evidence = [f"key: {key_name(signature.domain, signature.selector)}"]
    if key is not None:
        evidence.append(f"key type: {key.key_type}, {key.bits} bits")
    if signature.length is not None:
        evidence.append(f"signed part of the body: {signature.length} octets (l=)")
    return (*evidence, *(() if refusal is None else refusal.evidence))


def _shown(line: bytes) -> str:
    return ascii(line[:200].decode("utf-8", "replace"))
