"""``pillarbox relay``: who may send as whom to whom, why, and a proof that strangers may not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox import __version__
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.output import Out, plural, safe
from pillarbox.cli.relay.attack import Attack, Shot, Target, attack
from pillarbox.cli.relay.credentials import KnownLogin, known_login
from pillarbox.cli.relay.report import Report, markdown, values
from pillarbox.cli.relay.targets import NoStranger, targets
from pillarbox.clock import SystemClock
from pillarbox.config.endpoints import Endpoint, parse_endpoint
from pillarbox.config.loader import Loaded
from pillarbox.config.relay import relay_policy
from pillarbox.config.settings import ListenerKind, Settings
from pillarbox.errors import PermanentError
from pillarbox.events.text import show_time
from pillarbox.intake.domains import read_domains
from pillarbox.policy.relay import RelayPolicy
from pillarbox.policy.relay_explanation import Explanation, explain
from pillarbox.policy.relay_forms import Scene
from pillarbox.policy.relay_proof import OUTSIDE, is_meant, prove
from pillarbox.policy.relay_reach import reaches
from pillarbox.policy.rules import Client
from pillarbox.policy.senders import Senders
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.path import AddressError, parse_forward_path, parse_mailbox

__all__ = ["relay"]

_MOST_DOMAINS: Final = 5  # that the listeners are asked with; more differ in nothing


@click.group()
def relay() -> None:
    """Explain the relay policy, and prove that it is closed to strangers."""


class _Address(click.ParamType[Mailbox | str]):
    """An address of an envelope; ``<>`` or nothing for the null reverse-path."""

    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Mailbox | str:
        if isinstance(value, Mailbox) or value in {"", "<>"}:
            return value  # type: ignore[no-any-return]
        text = str(value).removeprefix("<").removesuffix(">")
        try:
            return parse_forward_path(text) if param and param.name == "to" else parse_mailbox(text)
        except AddressError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


@relay.command("explain")
@click.option("--ip", default="203.0.113.9", show_default=True, help="Address of the client.")
@click.option("--auth", default="", help="Login of the client. Default: none.")
@click.option(
    "--senders",
    default="",
    help="Senders its credential owns, separated by commas. Default: as stored.",
)
@click.option("--from", "sender", type=_Address(), required=True, help='MAIL FROM; "<>" for none.')
@click.option("--header-from", type=_Address(), help="Address in the From field.")
@click.option("--to", type=_Address(), required=True, help="RCPT TO.")
@click.option("--listener", default="", help="Listener. Default: the first that fits.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def explain_command(
    context: Context,
    ip: str,
    auth: str,
    senders: str,
    sender: Mailbox | str,
    header_from: Mailbox | str | None,
    to: Mailbox,
    listener: str,
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Say whether a message would be accepted, and what each rule says.

    Exit status 0 if it is taken, 1 if it is refused.

    \b
    Examples:
      pillarbox relay explain --ip 198.51.100.7 --from x@example.net --to ann@example.org
      pillarbox relay explain --auth shop --from news@example.org --to bob@example.net
    """  # noqa: D301 - click's mark: do not wrap
    with context.errors():
        loaded = context.load()
        policy = _policy(loaded.settings)
        login = KnownLogin("")
        if auth:
            own = Senders(each for each in senders.split(",") if each)
            login = KnownLogin(auth, own) if own else known_login(loaded, auth)
        client = Client(
            listener=_listener(loaded.settings, listener, auth),
            address=_ip(ip),
            credential=login.identity,
            senders=login.senders,
        )
        path: ReversePath = sender if isinstance(sender, Mailbox) else None
        author = header_from if isinstance(header_from, Mailbox) else None
        told = explain(policy, client, path, to, author)
    if as_json:
        context.out.json(_explanation_values(client, path, to, told))
    else:
        _show_explanation(context.out, client, path, to, told)
        if login.note:
            context.out.say(login.note)
    if not told.decision.is_accepted:
        raise click.exceptions.Exit(FAILED)


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise click.UsageError(f"--ip: {error}") from None


def _listener(settings: Settings, named: str, auth: str) -> str:
    if named:
        if named not in settings.listener:
            raise click.UsageError(f"there is no listener {named!r}")
        return named
    is_wanted = [
        (each.kind is ListenerKind.MX) != bool(auth) for each in settings.listener.values()
    ]
    names = list(settings.listener)
    if not names:
        raise click.UsageError("the configuration has no listener")
    return names[is_wanted.index(True)] if True in is_wanted else names[0]


def _show_explanation(
    out: Out, client: Client, sender: ReversePath, to: Mailbox, told: Explanation
) -> None:
    decision = told.decision
    word, style = ("taken", "good") if decision.is_accepted else ("refused", "bad")
    head = Text.assemble((word, style), "  by ", (f"rule {decision.rule}", "strong"))
    if decision.reply is not None:
        head.append(f": {decision.reply}")
    out.line(head)
    who = f"logged in as {client.credential}" if client.credential else "not logged in"
    out.line(
        Text(
            f"{client.address}, {safe(who)}, on listener {client.listener}, "
            f"from <{safe(str(sender or ''))}> to <{safe(str(to))}>",
            style="quiet",
        )
    )
    out.line()
    rows = (
        (
            Text(step.command, style="quiet"),
            Text(step.rule, style="strong" if step.decides else ""),
            Text(
                _word(told, is_last=number == len(told.steps), decides=step.decides),
                style=style if step.decides else "quiet",
            ),
            safe(step.why),
        )
        for number, step in enumerate(told.steps, 1)
    )
    out.table((Column("at"), Column("rule"), Column(""), Column("why", overflow="fold")), rows)


def _word(told: Explanation, *, is_last: bool, decides: bool) -> str:
    if not decides:
        return "goes on"
    return "takes" if told.decision.is_accepted or not is_last else "refuses"


def _explanation_values(
    client: Client, sender: ReversePath, to: Mailbox, told: Explanation
) -> dict[str, Any]:
    decision = told.decision
    return {
        "accepted": decision.is_accepted,
        "rule": decision.rule,
        "reply": "" if decision.reply is None else str(decision.reply),
        "listener": client.listener,
        "ip": client.address,
        "auth": client.credential,
        "from": str(sender or ""),
        "to": str(to),
        "steps": [
            {"at": step.command, "rule": step.rule, "decides": step.decides, "why": step.why}
            for step in told.steps
        ],
    }


@relay.command("prove", short_help="Prove that strangers cannot relay.")
@click.option("--listener", "names", multiple=True, help="Only this listener; may be repeated.")
@click.option(
    "--at",
    "places",
    multiple=True,
    metavar="LISTENER=HOST:PORT",
    help="Its address, if it cannot be found.",
)
@click.option("--from", "source", default="", help="Local address to attack from.")
@click.option(
    "--outside", default=OUTSIDE, show_default=True, help="Outside domain to request a relay to."
)
@click.option("--policy-only", is_flag=True, help="Try the policy only, no listener.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the report.  [default: relay-proof-TIME.md]",
)
@click.option("--json", "as_json", is_flag=True, help="Also print the report as JSON.")
@pass_context
def prove_command(
    context: Context,
    names: tuple[str, ...],
    places: tuple[str, ...],
    source: str,
    outside: str,
    policy_only: bool,  # noqa: FBT001 - click
    report: Path | None,
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Prove that strangers cannot relay: try every case of the policy, then the listeners.

    Every listener that runs is asked for recipients outside in all forms that are known, from
    an address that it does not trust. Nothing is ever sent: it ends with RCPT. A dated page
    says what was tried. Exit status 0 if everything was refused, 1 if not, or if something
    could not be tried.

    \b
    Examples:
      pillarbox relay prove
      pillarbox relay prove --at mx=192.0.2.25:25 --from 192.0.2.9
    """  # noqa: D301 - click's mark: do not wrap
    with context.errors():
        loaded = context.load()
        settings, policy = loaded.settings, _policy(loaded.settings)
        _check_names(settings, names)
        live = (
            ()
            if policy_only
            else targets(settings, policy, only=names, at=_places(settings, places), source=source)
        )
        made = _prove(loaded, policy, live, outside)
        path = report or Path(f"relay-proof-{show_time(made.at)[:19].replace(':', '')}Z.md")
        _write(path, markdown(made))
    if as_json:
        context.out.json(values(made))
    else:
        _show_report(context.out, made, path)
    if not made.is_proved:
        raise click.exceptions.Exit(FAILED)


def _policy(settings: Settings) -> RelayPolicy:
    domains, _ = read_domains(settings)
    return relay_policy(settings, domains)


def _check_names(settings: Settings, names: Iterable[str]) -> None:
    for name in names:
        if name not in settings.listener:
            raise click.UsageError(f"there is no listener {name!r}")


def _places(settings: Settings, texts: Iterable[str]) -> dict[str, Endpoint]:
    places = {}
    for text in texts:
        name, _, place = text.partition("=")
        _check_names(settings, [name])
        endpoint = parse_endpoint(place)
        if endpoint is None or not endpoint.port or not _is_address(endpoint.host):
            raise click.UsageError(f"--at: write {name}=ADDRESS:PORT")
        places[name] = endpoint
    return places


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _prove(
    loaded: Loaded, policy: RelayPolicy, live: Iterable[Target | NoStranger], outside: str
) -> Report:
    attacks: list[Attack] = []
    gaps: list[str] = []
    for target in live:
        if isinstance(target, NoStranger):
            gaps.append(str(target))
            continue
        try:
            attacks += [
                attack(target, scene) for scene in _scenes(loaded.settings, policy, target, outside)
            ]
        except OSError as error:
            where = f"listener {target.listener} at {target.place}"
            gaps.append(f"{where} cannot be reached from {target.source}: {error}")
    taken = [(each, shot) for each in attacks for shot in each.taken]
    return Report(
        at=SystemClock().now(),
        config=str(loaded.path or "the defaults"),
        version=__version__,
        outside=outside,
        proof=prove(policy),
        reaches=reaches(policy),
        attacks=tuple(attacks),
        leaks=tuple(each for each in taken if not _is_meant(policy, *each)),
        meant=tuple(each for each in taken if _is_meant(policy, *each)),
        gaps=tuple(gaps),
    )


def _scenes(
    settings: Settings, policy: RelayPolicy, target: Target, outside: str
) -> Iterable[Scene]:
    """Return the names to ask with: for our domains, and those that we relay for."""
    host = settings.node.hostname or "localhost.localdomain"
    opened = [
        pattern.removeprefix("*.")
        for rule in policy.rules
        if rule.allows and rule.credentials is None and rule.recipients is not None
        for pattern in rule.recipients.patterns
        if pattern != "*"
    ]
    domains = list(dict.fromkeys([*policy.domains.names, *opened]))[:_MOST_DOMAINS] or [host]
    return [
        Scene(local=domain, outside=outside, host=host, address=target.host) for domain in domains
    ]


def _is_meant(policy: RelayPolicy, done: Attack, shot: Shot) -> bool:
    """Return whether a recipient that was taken is ours, or of a domain opened by name."""
    client = Client(listener=done.target.listener, address=done.target.client)
    try:
        recipient = parse_forward_path(shot.recipient.removeprefix("<").removesuffix(">"))
    except AddressError:
        return False
    decision = policy.rights(client).may_relay(None, recipient)
    return decision.is_accepted and is_meant(policy, client, recipient, decision)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"cannot write {path}: {error.strerror}") from error


def _show_report(out: Out, report: Report, path: Path) -> None:
    style = "good" if report.is_proved else "bad" if report.leaks else "doubt"
    if not report.proof.holds:
        style = "bad"
    out.line(Text(report.verdict, style=style))
    out.line(f"  policy  {plural(report.proof.cases, 'case')} tried")
    for case in report.proof.counterexamples:
        sender = f"<{case.sender or ''}>"
        out.line(
            Text.assemble(
                ("    counterexample  ", "bad"),
                f"{case.client.address} on listener {case.client.listener} may send from "
                f"{safe(sender)} to <{safe(str(case.recipient))}>, by rule {case.rule}",
            )
        )
    for each in report.attacks:
        target = each.target
        out.line(
            f"  {target.listener}  {target.place} from {target.client}: "
            f"{plural(each.shots, 'recipient')} asked for, {len(each.taken)} taken, "
            f"{len(each.unclear)} unclear"
        )
        out.line(Text(f"    {target.how}", style="quiet"))
    for done, shot in report.leaks:
        out.line(
            Text.assemble(
                ("    relayed  ", "bad"),
                f"{done.target.listener}: MAIL FROM:{safe(shot.sender)} "
                f"RCPT TO:{safe(shot.recipient)}: {safe(shot.reply)}",
            )
        )
    for gap in report.gaps:
        out.line(Text.assemble(("  not tried  ", "doubt"), safe(gap)))
    out.say(f"Wrote {path}")
