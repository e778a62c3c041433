"""Every command that the documents name exists, with the options that they give it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pillarbox.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if page.name != "CHANGELOG.md" and "adr" not in page.parts
)
# In a code block (indented, or behind a prompt), or between backquotes in a sentence.
_COMMAND = re.compile(
    r"(?:^(?: {4}|\$ |    \$ )|`)(?:\.venv/bin/)?pillarbox ([^`\n]+)", re.MULTILINE
)
_END = re.compile(r"\s(?:#|\||>|<|&&|;|2>|\\$|  )")
_PLACEHOLDER = re.compile(r"…|\.\.\.|\[|\{")


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page, without what a shell does with them."""
    for found in _COMMAND.finditer(page.read_text(encoding="utf-8")):
        line = _END.split(found[1] + "\n")[0].strip()
        if not _PLACEHOLDER.search(line):
            yield line.rstrip(".,:")


def mistake(line: str) -> str:
    """Return what is wrong with a command line, "" for nothing."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ""  # a sentence that only looks like a command
    command: click.Command = cli
    context = click.Context(cli, info_name="pillarbox")
    while isinstance(command, click.Group) and words:
        while words and words[0].startswith("-"):  # options of the group, each with a value
            words = words[2:] if words[0] in {"--config", "-c"} else words[1:]
        if not words:
            return ""
        name = words.pop(0)
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command {name!r}"
        command = found
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    known |= {"--help", "-h"}
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    unknown = [option for option in options if option not in known]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_documents_exist(page: Path) -> None:
    """Each command of the page is one that there is, and so are its options."""
    wrong = {line: said for line in commands(page) if (said := mistake(line))}
    assert wrong == {}


def test_there_is_something_to_check() -> None:
    """The pattern finds commands: it would be no check if it found none."""
    assert sum(len(list(commands(page))) for page in PAGES) > 100
