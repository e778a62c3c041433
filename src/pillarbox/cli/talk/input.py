"""Reads lines and secrets from a person, with tab completion."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from pillarbox.checkup.talk.completion import Scene, completions
from pillarbox.errors import PermanentError

try:
    import readline
except ImportError:  # not built everywhere; lines can be typed all the same
    readline = None  # type: ignore[assignment]

__all__ = ["Prompt"]

_OF_FILES: Final = ("/data ", "/bdat ")
_MOST_FILES: Final = 200


@dataclass(slots=True)
class Prompt:
    """Asks the person at the terminal; in a script, the environment."""

    variable: str  # of the environment, with the secret; "" for none
    is_interactive: bool

    def line(self, scene: Scene) -> str | None:
        """Return the next line, None at the end of the input.

        Raises:
            KeyboardInterrupt: Ctrl-C was typed.
        """
        if readline is not None:
            _complete(scene)
        try:
            with _interruptible():
                return input("> ")
        except (EOFError, KeyboardInterrupt) as error:
            click.echo()  # what comes next is not to stand behind the mark
            if isinstance(error, KeyboardInterrupt):
                raise
            return None

    def secret(self, what: str) -> str:
        """Return a password or token.

        Raises:
            PermanentError: There is nobody to ask, and no variable; or nothing was given.
        """
        if self.variable:
            try:
                return os.environ[self.variable]
            except KeyError:
                raise PermanentError(f"the variable {self.variable} is not set") from None
        if not self.is_interactive:
            raise PermanentError("/auth in a script takes the password from --password-env")
        try:
            with _interruptible():
                asked: str = click.prompt(what, hide_input=True, err=True)
        except click.Abort:
            raise PermanentError("nothing was given, and nothing said to the server") from None
        return asked


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C raise where it is typed: the event loop would only take note of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _complete(scene: Scene) -> None:
    """Have the tab key complete whole lines."""

    def complete(text: str, state: int) -> str | None:
        found = _files(text) if text.startswith(_OF_FILES) else completions(scene, text)
        return found[state] if state < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")


def _files(text: str) -> tuple[str, ...]:
    """Return the lines that name a file which begins so."""
    mark, _, name = text.partition(" ")
    folder, _, start = name.rpartition("/")
    where = Path(f"{folder}/" if "/" in name else ".").expanduser()
    try:
        found = sorted(one for one in where.iterdir() if one.name.startswith(start))
    except OSError:
        return ()
    before = name.removesuffix(start)
    return tuple(
        f"{mark} {before}{one.name}{'/' if one.is_dir() else ''}" for one in found[:_MOST_FILES]
    )
