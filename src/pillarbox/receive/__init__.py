"""Listeners: sockets, timeouts and limits around ``ServerConnection``."""

from __future__ import annotations
