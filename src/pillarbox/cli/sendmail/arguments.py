"""Parses the arguments of ``sendmail``, as thirty years of programs have written them.

Flags come alone, together (``-ti``), with their value attached or behind them (``-fann``,
``-f ann``), and after the recipients. What is not known is passed over, because a program
that sends mail must not fail for a flag that some other sendmail has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Arguments", "parse_arguments"]

_WITH_VALUE: Final = frozenset("fFrNRVBhXLCOMS")  # their value may be the next argument
_ATTACHED: Final = frozenset("obqdpA")  # their value is the rest of the word


@dataclass(slots=True)
class Arguments:
    """What was asked for."""

    recipients: list[str]
    mode: str = "m"  # of -b: m send, s SMTP on standard input, p list the queue, i aliases
    sender: str | None = None  # -f, -r; "" for the null sender
    full_name: str = ""  # -F
    reads_recipients: bool = False  # -t
    ignores_dots: bool = False  # -i, -oi
    flushes: bool = False  # -q: submit what was kept while the server was away
    is_verbose: bool = False  # -v
    notify: str = ""  # -N
    ret: str = ""  # -R
    envelope_id: str = ""  # -V
    server: str = ""  # -S, --smtp-addr: HOST:PORT, as MailHog and Mailpit have it


def parse_arguments(program: str, words: Sequence[str]) -> Arguments:
    """Read the arguments; the name of the program decides what is done without any.

    Args:
        program: ``argv[0]``; ``mailq`` means ``-bp`` and ``newaliases`` means ``-bi``.
        words: The arguments.
    """
    arguments = Arguments([])
    name = program.rpartition("/")[2]
    arguments.mode = {"mailq": "p", "newaliases": "i"}.get(name, "m")
    rest = iter(words)
    for word in rest:
        if word == "--":
            arguments.recipients.extend(rest)
        elif word.startswith("--"):
            _read_long(arguments, word, rest)
        elif len(word) > 1 and word.startswith("-"):
            _read_flags(arguments, word[1:], rest)
        else:
            arguments.recipients.append(word)
    return arguments


def _read_long(arguments: Arguments, word: str, rest: Iterator[str]) -> None:
    name, _, value = word[2:].partition("=")
    if name == "smtp-addr":
        arguments.server = value or next(rest, "")


def _read_flags(arguments: Arguments, flags: str, rest: Iterator[str]) -> None:
    while flags:
        flag, flags = flags[0], flags[1:]
        if flag in _WITH_VALUE:
            _take_value(arguments, flag, flags or next(rest, ""))
            return
        if flag in _ATTACHED:
            _take_attached(arguments, flag, flags)
            return
        if flag == "t":
            arguments.reads_recipients = True
        elif flag == "i":
            arguments.ignores_dots = True
        elif flag == "v":
            arguments.is_verbose = True


def _take_value(arguments: Arguments, flag: str, value: str) -> None:
    if flag in "fr":
        arguments.sender = value.strip().removeprefix("<").removesuffix(">")
    elif flag == "F":
        arguments.full_name = value
    elif flag == "N":
        arguments.notify = value
    elif flag == "R":
        arguments.ret = value
    elif flag == "V":
        arguments.envelope_id = value
    elif flag == "S":
        arguments.server = value


def _take_attached(arguments: Arguments, flag: str, value: str) -> None:
    if flag == "b":
        arguments.mode = value[:1] or "m"
    elif flag == "q":
        arguments.flushes = True
    elif flag == "o" and value == "i":
        arguments.ignores_dots = True
    elif flag == "o" and value == "t":
        arguments.reads_recipients = True
