"""Our decisions, as functions of plain values: no I/O, no clock, no chance."""

from __future__ import annotations
