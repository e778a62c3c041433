"""``pillarbox log``: the history of a message, with the conversation of every attempt."""

from __future__ import annotations

from typing import Final

import click
import msgspec
from rich.text import Text

from pillarbox.cli.access import Access, reach
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.message import message_lines
from pillarbox.cli.output import Out, safe
from pillarbox.control import protocol as p
from pillarbox.diagnosis.entry import Certainty
from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.reading.text import read
from pillarbox.events.history import Chapter, tell
from pillarbox.events.text import show_time

__all__ = ["log", "tell_story"]

_STYLES: Final = {
    "accepted": "strong",
    "delivered": "good",
    "bounced": "bad",
    "deferred": "doubt",
    "uncertain": "doubt",
    "held": "doubt",
    "damaged": "bad",
    "attempt": "",
}
_REFUSALS: Final = frozenset({"bounced", "deferred"})


@click.command()
@click.argument("what", metavar="ID|MESSAGE-ID|RECIPIENT")
@click.option("--limit", type=int, default=20, show_default=True, help="Only the newest messages.")
@click.option("--brief", is_flag=True, help="Omit the conversations.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the events as JSON, one object per line."
)
@pass_context
def log(context: Context, what: str, limit: int, brief: bool, as_json: bool) -> None:  # noqa: FBT001 - click
    """Show the history of a message, or of all mail for a recipient.

    \b
    Examples:
      pillarbox log 01hzy3r8k4c2d
      pillarbox log '<20261121.4711@example.org>'
      pillarbox log ann@example.org --brief
    """  # noqa: D301 - click's mark: do not wrap
    with context.errors(), reach(context.load()) as access:
        found = tell_story(context.out, access, what, limit=limit, brief=brief, as_json=as_json)
    if not found:
        context.out.error(
            f"nothing is known of {what!r}",
            "It takes a message id, a Message-ID header or the address of a recipient; "
            "records are kept for store.keep_final.",
        )
        raise click.exceptions.Exit(FAILED)


def tell_story(
    out: Out,
    access: Access,
    what: str,
    *,
    limit: int = 20,
    brief: bool = False,
    as_json: bool = False,
) -> bool:
    """Write the stories of the messages that ``what`` names; return whether there are any.

    Args:
        out: Where to.
        access: The node, or its store.
        what: A message id, a Message-ID header, or the address of a recipient.
        limit: The newest messages, at most so many.
        brief: Without the conversations.
        as_json: The events as they are, a JSON object a line.
    """
    found = False
    for row in access.run(p.ShowLog(what=what, limit=limit)):
        if isinstance(row, p.MessageRow):
            if as_json:
                out.json(msgspec.to_builtins(row))
            else:
                _begin(out, row, is_first=not found)
        elif isinstance(row, p.EventRow):
            payload = bytes(row.event)
            if as_json:
                out.raw(payload.decode() + "\n")
            else:
                for chapter in tell([payload]):
                    _show(out, chapter, brief=brief)
        else:
            continue
        found = True
    return found


def _begin(out: Out, row: p.MessageRow, *, is_first: bool) -> None:
    if not is_first:
        out.line()
    message_lines(out, row)
    out.line()


def _show(out: Out, chapter: Chapter, *, brief: bool) -> None:
    style = _STYLES.get(chapter.what, "quiet")
    time = show_time(chapter.at).replace("T", " ")
    line = Text.assemble((f"  {time}  ", "quiet"), (f"{chapter.what:10}", style), chapter.text)
    out.line(line)
    if why := _why(chapter):
        out.line(Text.assemble(" " * 28, ("why  ", "quiet"), safe(why)))
    for said in () if brief else chapter.conversation:
        out.line(Text.assemble(" " * 28, (said, "quiet")))


def _why(chapter: Chapter) -> str:
    """Return what a refusal means and what to do now, "" where that is only a guess."""
    if chapter.what not in _REFUSALS:
        return ""
    observed = read(chapter.text.encode("utf-8", "replace"))
    causes = explain(observed[0]).causes if observed else ()
    if not causes or causes[0].certainty is Certainty.POSSIBLE:
        return ""
    entry = causes[0].entry
    return f"{entry.title}. {entry.now}"
