"""The rules, a module for each subject: each rule is a function over a ``Letter``."""

from __future__ import annotations
