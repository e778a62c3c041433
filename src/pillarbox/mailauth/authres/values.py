"""The values of an Authentication-Results field (RFC 8601 §2)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AuthenticationResults", "MethodResult", "Property"]


@dataclass(frozen=True, slots=True)
class Property:
    """An input of a result, such as ``header.d=example.org``."""

    type: str  # "smtp", "header", "body" or "policy"
    name: str
    value: str

    @property
    def key(self) -> str:
        """The type and the name, as in ``header.d``."""
        return f"{self.type}.{self.name}"


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The result of one authentication method."""

    method: str  # "spf", "dkim", "dmarc", "arc", "iprev", "auth", "bimi"
    result: str  # "pass", "fail", ...
    properties: tuple[Property, ...] = ()
    reason: str = ""  # in words
    comment: str = ""  # for people; never evaluated

    def get(self, key: str) -> str:
        """Return the value of a property such as ``header.from``, "" if it is missing."""
        return next((found.value for found in self.properties if found.key == key), "")


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field: its authserv-id and its results."""

    authserv_id: str
    results: tuple[MethodResult, ...] = ()  # () is "none": nothing was checked

    def all_of(self, method: str) -> tuple[MethodResult, ...]:
        """Return the results of one method; there may be several, as for DKIM signatures."""
        return tuple(result for result in self.results if result.method == method)
