"""The control socket, through which the command line steers a running node."""

from __future__ import annotations
