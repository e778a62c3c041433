"""RFC 5322 octets: header scan, trace fields, delivery status notifications."""

from __future__ import annotations
