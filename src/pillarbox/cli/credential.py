"""``pillarbox credential``: manages who may log in."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any, Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.access import reach
from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.filters import Age
from pillarbox.cli.output import plural, safe, show_age
from pillarbox.clock import SystemClock
from pillarbox.control import protocol as p
from pillarbox.events.text import show_time

__all__ = ["credential"]

_KINDS: Final = ("key", "app-password", "password")


class _InOrder(click.Group):
    """A group that lists its commands as they stand in this file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(cls=_InOrder)
def credential() -> None:
    """Manage passwords, API keys and app passwords."""


_form_options = (
    click.option("--scram", is_flag=True, help="Also store a verifier for SCRAM-SHA-256."),
    click.option(
        "--reversible", is_flag=True, help="Store the secret itself, encrypted, for CRAM-MD5."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line."),
)


def _with_forms(command: Any) -> Any:
    for option in reversed(_form_options):
        command = option(command)
    return command


@credential.command()
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(_KINDS), help="Default: key, or as the other options imply."
)
@click.option("--account", default="", help="User name that an app password belongs to.")
@click.option("--ask", is_flag=True, help="Prompt for a password instead of generating a secret.")
@click.option("--project", default="", help="Label to which listeners can be restricted.")
@click.option("--sandbox", is_flag=True, help="Only for listeners of the sandbox.")
@click.option("--scope", "scopes", multiple=True, help='What it may be used for, such as "send".')
@click.option("--sender", "senders", multiple=True, help='Senders it may use: "@example.org".')
@click.option("--expires", type=Age(), help='Time until it expires: "90 d".')
@_with_forms
@pass_context
def add(
    context: Context,
    name: str,
    kind: str | None,
    account: str,
    ask: bool,  # noqa: FBT001 - click
    project: str,
    sandbox: bool,  # noqa: FBT001
    scopes: tuple[str, ...],
    senders: tuple[str, ...],
    expires: float | None,
    scram: bool,  # noqa: FBT001
    reversible: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Add the credential NAME, and show its secret, only this once.

    \b
    Examples:
      pillarbox credential add shop --sender @shop.example.org
      pillarbox credential add ann-phone --account ann@example.org
      pillarbox credential add ann@example.org --ask
    """  # noqa: D301 - click's mark: do not wrap
    chosen = kind or ("password" if ask else "app-password" if account else "key")
    if ask and chosen != "password":
        raise click.UsageError("only a password can be chosen; keys are made")
    request = p.AddCredential(
        name=name,
        kind=chosen,
        by=_operator(),
        account=account,
        password=_ask_password() if ask else "",
        project=project,
        is_sandbox=sandbox,
        scopes=list(scopes),
        senders=list(senders),
        expires_in=expires,
        scram=scram,
        reversible=reversible,
    )
    _issue(context, request, as_json=as_json)


@credential.command("list")
@click.option("--project", help="Only credentials of this project.")
@click.option("--all", "with_revoked", is_flag=True, help="Include revoked ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
@pass_context
def list_(context: Context, project: str | None, with_revoked: bool, as_json: bool) -> None:  # noqa: FBT001 - click
    """List the credentials, without secrets."""
    request = p.ListCredentials(project=project, with_revoked=with_revoked)
    with context.errors(), reach(context.load()) as access:
        rows = [row for row in access.run(request) if isinstance(row, p.CredentialRow)]
    if as_json:
        for row in rows:
            context.out.json(row)
        return
    if not rows:
        context.out.say("Nobody may log in by the store. Add somebody: pillarbox credential add")
        return
    columns = [
        Column("name", no_wrap=True),
        Column("kind", no_wrap=True),
        Column("begins with", no_wrap=True),
        Column("project", no_wrap=True),
        Column("last used", no_wrap=True),
        Column("made", no_wrap=True),
        Column("state", no_wrap=True),
    ]
    now = SystemClock().now()
    context.out.table(columns, [_line(row, now) for row in rows])
    context.out.say(plural(len(rows), "credential"))


@credential.command()
@click.argument("name")
@click.option(
    "--overlap",
    type=Age(),
    default="0 s",
    help='How long the old secret stays valid: "24 h". Default: not at all.',
)
@click.option("--ask", is_flag=True, help="Prompt for a password instead of generating a secret.")
@_with_forms
@pass_context
def rotate(
    context: Context,
    name: str,
    overlap: float,
    ask: bool,  # noqa: FBT001 - click
    scram: bool,  # noqa: FBT001
    reversible: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Give NAME a new secret, and show it, only this once.

    NAME may also be the visible start of a key.
    """
    request = p.RotateCredential(
        name=name,
        by=_operator(),
        overlap=overlap,
        password=_ask_password() if ask else "",
        scram=scram,
        reversible=reversible,
    )
    _issue(context, request, as_json=as_json)


@credential.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def revoke(context: Context, name: str, as_json: bool) -> None:  # noqa: FBT001 - click
    """Revoke NAME; open sessions end at their next message."""
    with context.errors(), reach(context.load()) as access:
        (row, *_) = access.run(p.RevokeCredential(name=name, by=_operator()))
    if as_json:
        context.out.json(row)
    elif isinstance(row, p.CredentialRow):
        context.out.say(f"{safe(row.name)} is revoked, from its next message on.", "good")


@credential.command(short_help="Say whether USER could log in, and if not, why.")
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def test(context: Context, user: str, as_json: bool) -> None:  # noqa: FBT001 - click
    """Say whether USER could log in, and if not, why; prompts for the secret or reads a pipe."""
    request = p.TestCredential(user=user, password=_ask_password(is_new=False))
    with context.errors(), reach(context.load()) as access:
        (row, *_) = access.run(request)
    if not isinstance(row, p.LoginRow):
        return
    if as_json:
        context.out.json(row)
    elif row.is_accepted:
        context.out.line(Text.assemble(("would be let in", "good"), f" as {safe(row.identity)}"))
        facts = {
            "credential": row.credential,
            "source": row.source,
            "project": row.project,
            "sandbox": "yes" if row.is_sandbox else "",
            "senders": ", ".join(row.senders),
        }
        _show_facts(context, facts)
    else:
        context.out.line(Text.assemble(("would be refused", "bad"), f": {safe(row.reason)}"))
        changed = "" if row.changed_at is None else _moment(row.changed_at)
        _show_facts(context, {"cause": row.cause, "since": changed, "source": row.source})
    if not row.is_accepted:
        raise click.exceptions.Exit(FAILED)


def _issue(
    context: Context, request: p.AddCredential | p.RotateCredential, *, as_json: bool
) -> None:
    with context.errors(), reach(context.load()) as access:
        (row, *_) = access.run(request)
    if not isinstance(row, p.IssuedRow):
        return
    if as_json:
        context.out.json(row)
        return
    out = context.out
    if row.secret:
        out.line()
        out.line(Text.assemble(("  user      ", "quiet"), (safe(row.user), "strong")))
        out.line(Text.assemble(("  password  ", "quiet"), (row.secret, "strong")))
        out.line()
        out.say("This is the only time that it is shown; nothing here can show it again.", "doubt")
    else:
        out.say(f"{safe(row.name)} may log in with the password that you chose.", "good")
    if row.old_ends_at is not None:
        out.say(f"The old secret holds until {_moment(row.old_ends_at)}.")
    if row.expires_at is not None:
        out.say(f"It ends {_moment(row.expires_at)}.")
    if row.is_reversible:
        out.say(
            "Its secret is kept reversibly: whoever has the store and auth.key has it.", "doubt"
        )


def _line(row: p.CredentialRow, now: float) -> list[str | Text]:
    live = [each for each in row.secrets if not each.is_former]
    newest = row.secrets[0] if row.secrets else None
    used = "never" if row.last_used_at is None else f"{show_age(now - row.last_used_at)} ago"
    return [
        Text(safe(row.name), style="strong"),
        row.kind,
        Text(newest.prefix if newest else "", style="id"),
        safe(row.project) + (" (sandbox)" if row.is_sandbox else ""),
        Text(used, style="quiet" if row.last_used_at is None else ""),
        f"{show_age(now - (newest.created_at if newest else row.created_at))} ago",
        _state(row, live, now),
    ]


def _state(row: p.CredentialRow, live: list[p.SecretRow], now: float) -> Text:
    if row.revoked_at is not None:
        return Text(
            f"revoked {show_age(now - row.revoked_at)} ago by {safe(row.revoked_by)}", "bad"
        )
    if row.expires_at is not None and row.expires_at <= now:
        return Text(f"ended {show_age(now - row.expires_at)} ago", "bad")
    notes = []
    if row.expires_at is not None:
        notes.append(f"ends in {show_age(row.expires_at - now)}")
    ending = [each.ends_at for each in live if each.ends_at is not None and each.ends_at > now]
    if ending:
        notes.append(f"old secret for {show_age(max(ending) - now)} more")
    if any(each.has_scram for each in live):
        notes.append("SCRAM")
    if any(each.is_reversible for each in live):
        notes.append("kept reversibly")
    return Text(", ".join(notes) or "valid", "doubt" if ending else "")


def _show_facts(context: Context, facts: dict[str, str]) -> None:
    for label, text in facts.items():
        if text:
            context.out.line(Text.assemble((f"  {label:<11}", "quiet"), safe(text)))


def _ask_password(*, is_new: bool = True) -> str:
    if sys.stdin.isatty():
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt=is_new, err=True, default=""
        )
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if is_new and not password:
        raise click.UsageError("the password is empty")
    return password


def _operator() -> str:
    """Return who runs this, for the record: the one behind sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _moment(at: float) -> str:
    return f"{show_time(at)[:16].replace('T', ' ')} UTC"
