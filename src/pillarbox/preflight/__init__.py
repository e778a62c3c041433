"""Judges a mail as its readers and receivers will: findings with fixes. PURE."""

from __future__ import annotations
