"""Lines that a person types, with completion by the tab key; and secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from pillarbox.checkup.talk.completion import Scene, completions
from pillarbox.errors import PermanentError

try:
    import readline
except ImportError:  # not built everywhere; lines can be typed all the same
    readline = None  # type: ignore[assignment]

__all__ = ["Prompt"]


@dataclass(slots=True)
class Prompt:
    """Asks the person at the terminal; in a script, the environment."""

    variable: str  # of the environment, with the secret; "" for none
    is_interactive: bool

    def line(self, scene: Scene) -> str | None:
        """Return the next line, None at the end of the input."""
        if readline is not None:
            _complete(scene)
        try:
            return input("> ")
        except (EOFError, KeyboardInterrupt):
            return None

    def secret(self, what: str) -> str:
        """Return a password or token.

        Raises:
            PermanentError: There is nobody to ask, and no variable.
        """
        if self.variable:
            try:
                return os.environ[self.variable]
            except KeyError:
                raise PermanentError(f"the variable {self.variable} is not set") from None
        if not self.is_interactive:
            raise PermanentError("/auth in a script takes the password from --password-env")
        asked: str = click.prompt(what, hide_input=True, err=True)
        return asked


def _complete(scene: Scene) -> None:
    """Have the tab key complete whole lines."""

    def complete(text: str, state: int) -> str | None:
        found = completions(scene, text)
        return found[state] if state < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
