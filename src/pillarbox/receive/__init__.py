"""Listeners: sockets, time-outs and limits around ``ServerConnection``."""

from __future__ import annotations
