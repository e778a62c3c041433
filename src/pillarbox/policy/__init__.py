"""Our decisions, as functions of plain values: no I/O, no clock, no randomness."""

from __future__ import annotations
