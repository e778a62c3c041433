"""``pillarbox manual``: manual pages, generated from the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from pillarbox import __version__
from pillarbox.cli.context import Context, pass_context
from pillarbox.cli.output import plural

__all__ = ["manual", "pages"]

_STATUS: Final = (
    ("0", "Done; nothing was found."),
    ("1", "It failed, or something was found."),
    ("2", "Wrong usage."),
    ("75", "It could not be told now; try again later."),
)


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the pages go, such as /usr/local/share/man/man1.",
)
@pass_context
def manual(context: Context, directory: Path) -> None:
    """Write a manual page for each command (man pillarbox-check-domain).

    The pages are made from the help of the commands, so they always fit this version.
    """
    with context.errors():
        directory.mkdir(parents=True, exist_ok=True)
        count = 0
        for name, page in pages(click.get_current_context().find_root().command):
            (directory / f"{name}.1").write_text(page, encoding="utf-8")
            count += 1
        context.out.say(f"Wrote {plural(count, 'page')} to {directory}.")


def pages(
    command: click.Command, path: tuple[str, ...] = ("pillarbox",)
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text (roff, man(7)) of a command's page, then of those below it."""
    context = click.Context(command, info_name=" ".join(path))
    below: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                below.append((name, found))
    yield "-".join(path), "\n".join(_page(command, context, path, below)) + "\n"
    for name, each in below:
        yield from pages(each, (*path, name))


def _page(
    command: click.Command,
    context: click.Context,
    path: tuple[str, ...],
    below: list[tuple[str, click.Command]],
) -> Iterator[str]:
    name = "-".join(path)
    yield f'.TH "{name.upper()}" "1" "" "pillarbox {__version__}" "pillarbox"'
    yield ".SH NAME"
    yield _escape(f"{name} - {command.get_short_help_str(200).rstrip('.')}")
    yield ".SH SYNOPSIS"
    yield f".B {_escape(' '.join(path))}"
    yield _escape(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    yield from _text(command.help or "")
    records = (each.get_help_record(context) for each in command.params)
    options = [record for record in records if record and record[1]]
    if options:
        yield ".SH OPTIONS"
        for option, about in options:
            yield from (".TP", f".B {_escape(option)}", _escape(about))
    if below:
        yield ".SH COMMANDS"
        for each, found in below:
            about = found.get_short_help_str(200)
            yield from (".TP", f".BR {_escape(f'{name}-{each}')} (1)", _escape(about))
    yield ".SH EXIT STATUS"
    for status, about in _STATUS:
        yield from (".TP", f".B {status}", about)


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs; those that click must not wrap are left as they are."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = paragraph.splitlines()
        yield ".PP"
        if lines and lines[0].strip() == "\b":
            yield from (".nf", *map(_escape, lines[1:]), ".fi")
        else:
            yield _escape(" ".join(line.strip() for line in lines))


def _escape(text: str) -> str:
    """Return text that roff takes as it is (groff_man(7), "Escape sequences")."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
