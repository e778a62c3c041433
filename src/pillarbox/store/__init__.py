"""Durable storage of mail: the port, group commit, and three adapters."""

from __future__ import annotations
