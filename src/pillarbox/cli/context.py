"""What all commands share: the configuration, the output, and error handling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from pillarbox.cli.output import Out
from pillarbox.config.error import ConfigError
from pillarbox.config.loader import Loaded, load
from pillarbox.errors import PillarboxError, TemporaryError

__all__ = ["FAILED", "STOPPED", "TEMPORARY", "Context", "pass_context"]

FAILED: Final = 1
TEMPORARY: Final = 75  # EX_TEMPFAIL of sysexits.h
STOPPED: Final = 130  # as shells say of SIGINT


@dataclass(slots=True)
class Context:
    """One run of the command line."""

    config: Path | None = None
    out: Out = field(default_factory=Out)

    def load(self) -> Loaded:
        """Read the configuration.

        Raises:
            ConfigError: Something in it is wrong.
        """
        return load(self.config, os.environ)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn an error into a message and an exit status: 1, or 75 where waiting may help."""
        try:
            yield
        except ConfigError as error:
            self.out.findings(error.findings, as_talk=True)
            raise click.exceptions.Exit(FAILED) from None
        except PillarboxError as error:
            self.out.error(str(error), getattr(error, "fix", ""))
            is_temporary = isinstance(error, TemporaryError)
            raise click.exceptions.Exit(TEMPORARY if is_temporary else FAILED) from None


def pass_context(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its ``Context``, and let ``--config`` stand behind its name as well."""
    option = click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path, dir_okay=False),
        expose_value=False,
        hidden=True,
        callback=_set_config,
    )
    return option(click.make_pass_decorator(Context, ensure=True)(command))


def _set_config(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    del parameter
    if value is not None:
        ctx.ensure_object(Context).config = value
