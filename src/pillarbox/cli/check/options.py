"""The options that all checks share, how they run, and how Ctrl-C ends them with partial results."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pillarbox.checkup.facts.smtp import Mode
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.cli.context import STOPPED, Context
from pillarbox.cli.dns import brisk_resolver, dns_options
from pillarbox.cli.output import Out
from pillarbox.mailauth.resolver import Resolver

__all__ = ["CheckOptions", "check_options", "end_early", "run_check", "tls_options"]

_MODES: Final = {"implicit": Mode.IMPLICIT, "starttls": Mode.PLAIN}
_LONGEST: Final = 3600.0

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What was said of the asking and of the output."""

    zone: Path | None
    servers: tuple[str, ...]
    seconds: float  # for everything
    as_json: bool
    is_quiet: bool
    is_verbose: bool

    @property
    def is_silent(self) -> bool:
        """Whether nothing is shown meanwhile."""
        return self.as_json or self.is_quiet

    @property
    def level(self) -> str:
        """How much is printed: "quiet", "verbose", or ""."""
        return "quiet" if self.is_quiet else "verbose" if self.is_verbose else ""

    def resolver(self) -> Resolver:
        """Return who answers.

        Raises:
            PermanentError: The zone file cannot be read, or a server is no address.
        """
        return brisk_resolver(self.zone, self.servers)


def check_options(
    seconds: float, verbose: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a check, as ``asked``, a ``CheckOptions``.

    Args:
        seconds: How long the check takes at most, if nobody says otherwise.
        verbose: What ``--verbose`` shows, for the help.
    """
    options = (
        click.option(
            "--timeout",
            "seconds",
            type=click.FloatRange(1.0, _LONGEST),
            default=seconds,
            show_default=f"{seconds:g}",
            metavar="SECONDS",
            help="Stop after this time, with what is known by then.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--quiet", "-q", is_flag=True, help="Show only what is wrong, one line each."),
        click.option("--verbose", "-v", is_flag=True, help=verbose),
    )

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*arguments: Any, **given: Any) -> None:
            asked = CheckOptions(
                zone=given.pop("zone"),
                servers=given.pop("servers"),
                seconds=given.pop("seconds"),
                as_json=given.pop("as_json"),
                is_quiet=given.pop("quiet"),
                is_verbose=given.pop("verbose"),
            )
            command(*arguments, asked=asked, **given)

        wanted: Callable[..., None] = run
        for option in reversed(options):
            wanted = option(wanted)
        return dns_options(wanted)

    return give


def tls_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--tls`` and ``--ca-file``, as ``tls`` (a ``Mode`` or None) and a path."""
    mode = click.option(
        "--tls",
        type=click.Choice(list(_MODES)),
        callback=lambda _context, _option, word: _MODES.get(word),
        help="How TLS starts. Default: by port; 465 from the start, others STARTTLS.",
    )
    authorities = click.option(
        "--ca-file",
        "authorities",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Trust these authorities (PEM) instead of the system's.",
    )
    return mode(authorities(command))


def run_check(
    context: Context, asked: CheckOptions, ask: Callable[[TimeLimit], Awaitable[Report]]
) -> tuple[Report, bool]:
    """Run a check until it is done, its time is over, or Ctrl-C ends it.

    Returns:
        What it came to, and whether Ctrl-C ended it: then ``end_early`` comes after the output.
    """

    async def run() -> tuple[Report, bool]:
        limit = TimeLimit(asked.seconds)
        with _ended_by_interrupt(limit):
            report = await ask(limit)
        return report, limit.is_stopped

    with context.errors():
        return asyncio.run(run())


def end_early(out: Out, *, was_stopped: bool) -> None:
    """End with 130 if Ctrl-C has ended the check."""
    if was_stopped:
        out.say("Stopped: whatever had not finished was left out.", style="doubt")
        raise click.exceptions.Exit(STOPPED)


@contextmanager
def _ended_by_interrupt(limit: TimeLimit) -> Iterator[None]:
    """Have the first Ctrl-C end a check; the second one ends the program, as always."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        limit.stop()
        loop.remove_signal_handler(signal.SIGINT)

    is_main = threading.current_thread() is threading.main_thread()
    if is_main:  # only there are signals heard
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        if is_main:
            loop.remove_signal_handler(signal.SIGINT)
