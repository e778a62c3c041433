"""The rules, a module per subject: each rule is a function of a ``Letter``."""

from __future__ import annotations
