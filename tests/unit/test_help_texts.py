"""What ``--help`` prints of each command is whole."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pillarbox.cli.main import cli


def _help_texts(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield the path and the help of a command and of all below it."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _help_texts(below, click.Context(below, info_name=name, parent=context))


def test_help_is_neither_cut_nor_does_it_show_marks_of_layout() -> None:
    """Examples keep their lines, no mark of click is seen, and each line of a list is whole."""
    texts = dict(_help_texts(cli, click.Context(cli, info_name="pillarbox", terminal_width=80)))
    assert len(texts) > 60
    assert [path for path, text in texts.items() if "\\b" in text] == []
    cut = {
        path: line.strip()
        for path, text in texts.items()
        for line in text.partition("\nCommands:\n")[2].splitlines()
        if line.endswith("...")
    }
    assert cut == {}
