"""``pillarbox talk``: SMTP by hand, with each line and each reply explained."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TextIO

import click
from rich.text import Text

from pillarbox.checkup.facts.smtp import Mode
from pillarbox.checkup.probes.wire import Wire, failure_of
from pillarbox.checkup.talk.completion import Where, next_lines
from pillarbox.checkup.talk.session import TalkEnded, TalkLine, TalkSession, TalkTerms, Unexpected
from pillarbox.checkup.talk.steps import MARKS, Say, Step, StepReader, parse_step
from pillarbox.cli.check.options import tls_options
from pillarbox.cli.check.target import split_target
from pillarbox.cli.context import FAILED, STOPPED, TEMPORARY, Context, pass_context
from pillarbox.cli.dns import brisk_resolver, dns_options
from pillarbox.cli.output import Out, safe
from pillarbox.cli.talk.input import Prompt
from pillarbox.clock import Clock, SystemClock
from pillarbox.errors import PermanentError
from pillarbox.events.text import show_time
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.tls import TlsContexts

__all__ = ["talk"]

_PORT: Final = 25
_IMPLICIT: Final = 465
_CONNECT: Final = 15.0  # seconds
_MARKS: Final = {"C": ">", "S": "<", "-": "*"}
_STYLES: Final = {"C": "strong", "S": "", "-": "doubt"}


@dataclass(slots=True)
class _Show:
    """Shows lines, keeps them for JSON, and writes them down."""

    out: Out
    is_silent: bool
    hides_notes: bool
    transcript: TextIO | None
    clock: Clock
    lines: list[dict[str, Any]] = field(default_factory=list)

    def line(self, line: TalkLine) -> None:
        """Show a line: what we say below what it does, a reply above what it meant."""
        at = show_time(self.clock.now())
        self.lines.append(
            {"at": at, "direction": line.direction, "text": line.text, "note": line.note}
        )
        if self.transcript is not None:
            self.transcript.write(f"{at} {_MARKS[line.direction]} {line.text}\n")
            self.transcript.flush()
        if self.is_silent:
            return
        shown = Text.assemble(
            (f"{_MARKS[line.direction]} ", "quiet"), (safe(line.text), _STYLES[line.direction])
        )
        if line.direction == "C":
            if not self.hides_notes:
                self.out.line()
                self._note(line.note)
            self.out.line(shown)
        else:
            self.out.line(shown)
            self._note(line.note)

    def _note(self, text: str) -> None:
        if text and not self.hides_notes:
            self.out.fields([("", Text(safe(text), "quiet"))])

    def advise(self, lines: tuple[str, ...]) -> None:
        """Say what is usually said next."""
        if not self.hides_notes:
            self._note(f"next: {'   '.join(lines)}")

    def help(self) -> None:
        """Say what can be said."""
        self.out.line(Text("Whatever is typed is sent as a line; tab completes. Besides:", "quiet"))
        self.out.fields([(mark, Text(what)) for mark, what in MARKS.items()])


@click.command()
@click.argument("server", metavar="HOST[:PORT]")
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Say the lines of this file, and end; - is standard input.",
)
@tls_options
@click.option(
    "--transcript",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all that is said to this file, secrets masked.",
)
@click.option("--hello", default="talk.invalid", show_default=True, help="The name in EHLO.")
@click.option(
    "--password-env", metavar="NAME", help="The variable with the password for /auth in a script."
)
@click.option("--any-certificate", is_flag=True, help="Go on whatever certificate is shown.")
@click.option("--patience", default=60.0, show_default=True, help="Seconds for a reply.")
@dns_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end; for scripts.")
@click.option("--quiet", "-q", is_flag=True, help="Show no meaning; with --script nothing at all.")
@pass_context
def talk(
    context: Context,
    server: str,
    script: Path | None,
    tls: Mode | None,
    transcript: Path | None,
    hello: str,
    password_env: str | None,
    authorities: Path | None,
    any_certificate: bool,  # noqa: FBT001 - click
    patience: float,
    zone: Path | None,
    servers: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click
    quiet: bool,  # noqa: FBT001 - click
) -> None:
    """Speak SMTP with HOST by hand: telnet with hints, or a test by a script.

    Before each line stands what it does, below each reply what it meant. The tab key completes;
    /help tells what can be said besides SMTP commands: TLS, login, pipelining, BDAT, octets.

    \b
      pillarbox talk mx.example.org
      pillarbox talk smtp.example.org:465 --transcript session.txt
      pillarbox talk localhost:1025 --script greeting.talk

    In a script, "< 250 STARTTLS" stands for a reply with this code and these words. Exits with
    1 if a reply is another one, with 75 if the server cannot be reached or falls silent.
    """  # noqa: D301 - click's mark: do not wrap
    is_script = script is not None or not sys.stdin.isatty()
    if as_json and not is_script:
        raise click.UsageError("--json is for scripts")
    host, port = split_target(server, _PORT)
    prompt = Prompt(variable=password_env or "", is_interactive=not is_script)
    contexts = TlsContexts()
    terms = TalkTerms(
        host=host,
        port=port,
        mode=tls or (Mode.IMPLICIT if port == _IMPLICIT else Mode.PLAIN),
        hello=hello,
        context=contexts.opportunistic() if any_certificate else contexts.verified(authorities),
        patience=patience,
        read_file=_read_file,
        ask_secret=prompt.secret,
    )
    steps = _steps(script) if is_script else None
    with context.errors(), _written(transcript) as file:
        show = _Show(context.out, as_json or (quiet and is_script), quiet, file, SystemClock())
        talking = _Talking(terms, show, prompt, brisk_resolver(zone, servers))
        try:
            ending = asyncio.run(talking.run(steps))
        except KeyboardInterrupt:  # while a reply was waited for
            ending = _Ending(STOPPED)
    if as_json:
        said = {"target": host, "port": port, "problem": ending.problem, "lines": show.lines}
        context.out.json(said)
    elif ending.problem:
        context.out.error(ending.problem)
    if ending.status:
        raise click.exceptions.Exit(ending.status)


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a talk ended."""

    status: int = 0
    problem: str = ""


def _written(transcript: Path | None) -> AbstractContextManager[TextIO | None]:
    """Open the file for the transcript.

    Raises:
        click.BadParameter: It cannot be written.
    """
    if transcript is None:
        return nullcontext()
    try:
        return transcript.open("a", encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(
            f"{transcript}: {error.strerror}", param_hint="--transcript"
        ) from None


def _steps(script: Path | None) -> list[tuple[int, Step]]:
    """Return the steps of a script with the numbers of their lines.

    Raises:
        click.UsageError: A line cannot be read.
    """
    try:
        text = sys.stdin.read() if script is None or str(script) == "-" else script.read_text()
    except OSError as error:
        raise click.BadParameter(f"{script}: {error.strerror}", param_hint="--script") from None
    except UnicodeDecodeError:
        raise click.BadParameter(f"{script}: it is no UTF-8", param_hint="--script") from None
    steps: list[tuple[int, Step]] = []
    reader = StepReader()
    for number, line in enumerate(text.splitlines(), 1):
        try:
            step = reader.read(line)
        except PermanentError as error:
            raise click.UsageError(f"line {number}: {error}") from None
        if step is not None:
            steps.append((number, step))
    return steps


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise PermanentError(f"{name}: {error.strerror}") from None


@dataclass(slots=True)
class _Talking:
    """One run of the command."""

    terms: TalkTerms
    show: _Show
    prompt: Prompt
    resolver: Resolver

    async def run(self, steps: list[tuple[int, Step]] | None) -> _Ending:
        """Talk by a script, or by hand where there is none."""
        try:
            session = TalkSession(await self._connect(), self.terms, self.show.line)
        except TalkEnded as error:
            return _Ending(TEMPORARY, str(error))
        try:
            await session.begin()
            if steps is None:
                return await self._by_hand(session)
            return await self._by_script(session, steps)
        except TalkEnded as error:
            return _Ending(TEMPORARY, str(error))
        finally:
            await session.wire.close()

    async def _connect(self) -> Wire:
        """Connect to the first address that answers.

        Raises:
            TalkEnded: None does.
        """
        host, port = self.terms.host, self.terms.port
        problem = "it has no address"
        for address in await self._addresses(host):
            try:
                async with asyncio.timeout(_CONNECT):
                    return await Wire.open(address, port, [])
            except OSError as error:
                problem = f"{address} port {port}: {failure_of(error)}"
        raise TalkEnded(f"{host} could not be reached: {problem}")

    async def _addresses(self, host: str) -> tuple[str, ...]:
        try:
            return (str(ip_address(host)),)
        except ValueError:
            pass
        if host == "localhost":  # RFC 6761 §6.3: DNS is not asked
            return ("127.0.0.1", "::1")
        return (await self.resolver.addresses(host)).records

    async def _by_script(self, session: TalkSession, steps: list[tuple[int, Step]]) -> _Ending:
        for number, step in steps:
            try:
                await session.do(step)
            except Unexpected as error:
                return _Ending(FAILED, f"line {number}: {error}")
            except PermanentError as error:
                return _Ending(FAILED, f"line {number}: {error}")
        return _Ending()

    async def _by_hand(self, session: TalkSession) -> _Ending:
        while not session.is_over:
            scene = session.scene
            self.show.advise(next_lines(scene))
            try:
                line = self.prompt.line(scene)  # nothing else is to be done meanwhile
            except KeyboardInterrupt:
                return _Ending(STOPPED)
            if line is None or line.strip() == "/end":
                break
            if line.strip() == "/help":
                self.show.help()
                continue
            try:
                step = Say(line) if scene.where is Where.CONTENT else parse_step(line)
                if step is not None:
                    await session.do(step)
            except PermanentError as error:
                self.show.out.error(str(error))
        return _Ending()
