"""Authentication-Results (RFC 8601): written, read, and removed where it is forged."""

from __future__ import annotations

from pillarbox.mailauth.authres.build import (
    arc_authentication_results,
    authentication_results,
    results_value,
)
from pillarbox.mailauth.authres.forged import forged_fields
from pillarbox.mailauth.authres.parse import parse_authserv_id, parse_results
from pillarbox.mailauth.authres.values import AuthenticationResults, MethodResult, Property

__all__ = [
    "AuthenticationResults",
    "MethodResult",
    "Property",
    "arc_authentication_results",
    "authentication_results",
    "forged_fields",
    "parse_authserv_id",
    "parse_results",
    "results_value",
]
