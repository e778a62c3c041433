"""SASL mechanisms, both sides, without I/O (RFC 4954, RFC 4422)."""

from __future__ import annotations
