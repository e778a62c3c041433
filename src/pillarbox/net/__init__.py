"""Outgoing connections: addresses, TLS, and the driver of ``ClientConnection``."""

from __future__ import annotations
