"""Measure pillarbox and, where installed, Postfix, side by side in one run."""

from __future__ import annotations
