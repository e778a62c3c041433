"""Reads a secret from a file, the environment or standard input, never from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

__all__ = ["read_secret"]

_MOST = 64 * 1024  # characters


def read_secret(file: Path | None, variable: str | None, what: str) -> str:
    """Return a secret from a file, a variable, or else standard input, without the line end.

    Other white space is kept: that it is there may be why a login fails.

    Args:
        file: Where it is; "-" is standard input.
        variable: The name of an environment variable.
        what: What it is, to ask a person for it.

    Raises:
        click.UsageError: It cannot be had.
    """
    if file is not None and variable is not None:
        raise click.UsageError("Give the secret by a file or by a variable, not by both.")
    if variable is not None:
        if variable not in os.environ:
            raise click.UsageError(f"The variable {variable} is not set.")
        return os.environ[variable]
    if file is not None and str(file) != "-":
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}") from None
        return text[:_MOST].removesuffix("\n").removesuffix("\r")
    if sys.stdin.isatty():
        asked: str = click.prompt(what, hide_input=True, err=True, default="", show_default=False)
        return asked
    return sys.stdin.read(_MOST).removesuffix("\n").removesuffix("\r")
