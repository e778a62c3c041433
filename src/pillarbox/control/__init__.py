"""The control socket, through which the command line controls a running node."""

from __future__ import annotations
