"""For the tests of programs that send mail: a pytest plugin, unittest and Django helpers."""

from __future__ import annotations
