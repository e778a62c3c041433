"""``pillarbox explain``: the meaning and the remedy of a reply, log line, error or bounce."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import Out, safe
from pillarbox.diagnosis.catalog.loading import catalog
from pillarbox.diagnosis.entry import Certainty, Entry, Fault, Lasting
from pillarbox.diagnosis.explain import Cause, Diagnosis, explain as diagnose
from pillarbox.diagnosis.observation import Observation
from pillarbox.diagnosis.provider import provider_name
from pillarbox.diagnosis.reading.text import MAX_OCTETS, read
from pillarbox.smtp.client_outcome import Stage

__all__ = ["diagnosis_object", "explain", "print_diagnosis"]

_STAGES: Final = {
    Stage.RESOLVE: "finding the server (DNS)",
    Stage.CONNECT: "connecting",
    Stage.GREETING: "the greeting",
    Stage.TLS: "starting TLS",
    Stage.HELLO: "EHLO",
    Stage.AUTH: "logging in (AUTH)",
    Stage.MAIL: "the sender (MAIL FROM)",
    Stage.RECIPIENT: "the recipient (RCPT TO)",
    Stage.DATA: "the content (DATA)",
    Stage.FINAL: "after the content",
}
_SURE: Final = {Certainty.CERTAIN: "good", Certainty.LIKELY: "doubt", Certainty.POSSIBLE: "quiet"}
_MAX_NAME: Final = 255  # octets in the name of a file


@click.command()
@click.argument("text", metavar="TEXT|FILE|-", nargs=-1)
@click.option("--list", "wants_list", is_flag=True, help="List all causes that are known.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, as docs/explain.md describes.")
@click.option("--quiet", "-q", is_flag=True, help="Only what happened, a line for each recipient.")
@pass_context
def explain(
    context: Context, text: tuple[str, ...], *, wants_list: bool, as_json: bool, quiet: bool
) -> None:
    """Say what happened, whose fault it is, and what to do.

    TEXT is a server's reply, a line of a mail log, or the last line of a program's error; FILE
    holds one of them or a whole bounce mail; - reads standard input.

    \b
      pillarbox explain "550-5.7.26 Your email has been blocked"
      pillarbox explain bounce.eml
      tail -1 /var/log/mail.log | pillarbox explain -

    Exits with 1 if nothing in the text can be read as a failure.
    """  # noqa: D301 - click's mark: do not wrap
    if wants_list:
        _list(context.out, as_json=as_json)
        return
    if not text:
        raise click.UsageError("Nothing to explain: give a text, a file, or - for standard input.")
    diagnoses = [diagnose(observation) for observation in read(_octets(" ".join(text)))]
    if as_json:
        context.out.json({"diagnoses": [diagnosis_object(diagnosis) for diagnosis in diagnoses]})
    else:
        for number, diagnosis in enumerate(diagnoses):
            if number and not quiet:
                context.out.line()
            (_print_line if quiet else print_diagnosis)(context.out, diagnosis)
    if not any(diagnosis.causes for diagnosis in diagnoses):
        if not as_json:
            context.out.error(
                "nothing in this text can be read as a failure",
                "Give the server's reply with its number, the whole log line, or the bounce as a file.",
            )
        raise click.exceptions.Exit(FAILED)


def _octets(text: str) -> bytes:
    """Return standard input, the content of a file, or the text itself."""
    if text == "-":
        return sys.stdin.buffer.read(MAX_OCTETS)
    if "\n" not in text and len(text.encode("utf-8", "surrogateescape")) <= _MAX_NAME:
        path = Path(text)
        try:
            if path.is_file():
                with path.open("rb") as file:
                    return file.read(MAX_OCTETS)
        except OSError as error:
            raise click.BadParameter(f"{text!a}: {error.strerror}", param_hint="FILE") from None
    return text.encode("utf-8", "surrogateescape")


def _print_line(out: Out, diagnosis: Diagnosis) -> None:
    if diagnosis.causes:
        first, whom = diagnosis.causes[0], safe(diagnosis.observation.recipient)
        out.line(f"{whom + ': ' if whom else ''}{first.entry.title} ({first.entry.kind})")


def print_diagnosis(out: Out, diagnosis: Diagnosis) -> None:
    """Write what happened, whose fault it is, and what to do."""
    observation = diagnosis.observation
    if not diagnosis.causes:
        if observation.action == "delivered" and observation.recipient:
            out.line(Text.assemble((safe(observation.recipient), "strong"), "  was delivered"))
        return
    first, *others = diagnosis.causes
    out.line(
        Text.assemble(
            (first.entry.title, "strong"),
            ("   ", ""),
            (first.certainty.name.lower(), _SURE[first.certainty]),
            ("  ", ""),
            (first.entry.kind, "quiet"),
        )
    )
    rows = _facts(diagnosis, first.entry)
    rows.append(("", Text()))
    rows.append(("why", Text(first.entry.why)))
    rows.append(("now", Text(first.entry.now)))
    rows.append(("for good", Text(first.entry.for_good)))
    for cause in others:
        rows.append(("", Text()))
        head = Text.assemble(cause.entry.title, (f"  {cause.certainty.name.lower()}", "quiet"))
        rows.append(("or else", head))
        rows.append(("", Text(cause.entry.now, style="quiet")))
    rows.append(("", Text()))
    rows.append(("evidence", Text(", ".join(map(safe, first.evidence)), style="quiet")))
    rows.append(("source", Text("; ".join(first.entry.sources), style="quiet")))
    out.fields(rows)


def _facts(diagnosis: Diagnosis, entry: Entry) -> list[tuple[str, Text]]:
    observation = diagnosis.observation
    facts = []
    if observation.recipient:
        facts.append(("to", Text(safe(observation.recipient), style="id")))
    if said := _said(observation):
        facts.append(("said", Text(safe(said))))
    speaker = " · ".join(
        filter(None, (safe(observation.host), provider_name(observation.provider)))
    )
    if speaker:
        facts.append(("by", Text(speaker)))
    if diagnosis.stage is not None:
        facts.append(("stage", Text(_STAGES[diagnosis.stage])))
    facts.append(("fault", Text(entry.fault.value)))
    if diagnosis.is_temporary or entry.fault is not Fault.NOBODY:
        facts.append(("lasting", _lasting(diagnosis)))
    if entry.since is not None:
        facts.append(("since", Text(entry.since.isoformat())))
    if entry.until is not None:
        facts.append(("until", Text(entry.until.isoformat())))
    return facts


def _said(observation: Observation) -> str:
    codes = [str(observation.code or ""), str(observation.enhanced or ""), observation.text[:300]]
    return " ".join(filter(None, codes))


def _lasting(diagnosis: Diagnosis) -> Text:
    if diagnosis.is_temporary:
        return Text("temporary: the same may pass later", style="doubt")
    if diagnosis.is_hard:
        return Text("permanent: send nothing more to this address", style="bad")
    return Text("permanent, until something is changed", style="bad")


def _list(out: Out, *, as_json: bool) -> None:
    entries = catalog()
    if as_json:
        out.json({"entries": [_entry_object(entry) for entry in entries]})
        return
    columns = (
        Column("id", style="id", no_wrap=True),
        Column("class", no_wrap=True, style="quiet"),
        Column("what it is", overflow="fold"),
        Column("fault", no_wrap=True),
    )
    rows = [(entry.id, entry.kind, entry.title, entry.fault.value) for entry in entries]
    out.table(columns, rows)


def diagnosis_object(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as an object for JSON."""
    observation = diagnosis.observation
    return {
        "recipient": observation.recipient,
        "code": observation.code,
        "enhanced": str(observation.enhanced or ""),
        "text": observation.text,
        "action": observation.action,
        "source": observation.source.value,
        "program": observation.by,
        "host": observation.host,
        "provider": observation.provider,
        "stage": diagnosis.stage.value if diagnosis.stage else "",
        "temporary": diagnosis.is_temporary,
        "hard": diagnosis.is_hard,
        "causes": [_cause_object(cause) for cause in diagnosis.causes],
    }


def _cause_object(cause: Cause) -> dict[str, Any]:
    return {
        **_entry_object(cause.entry),
        "certainty": cause.certainty.name.lower(),
        "evidence": list(cause.evidence),
    }


def _entry_object(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "class": entry.kind,
        "title": entry.title,
        "stage": entry.stage.value if entry.stage else "",
        "fault": entry.fault.name.lower(),
        "lasting": "by_reply" if entry.lasting is Lasting.AS_REPLIED else entry.lasting.value,
        "why": entry.why,
        "now": entry.now,
        "for_good": entry.for_good,
        "provider": entry.provider,
        "since": entry.since.isoformat() if entry.since else "",
        "until": entry.until.isoformat() if entry.until else "",
        "sources": list(entry.sources),
    }
