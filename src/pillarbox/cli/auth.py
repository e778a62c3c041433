"""``pillarbox auth``: lines for the file of those who may log in."""

from __future__ import annotations

import sys

import argon2
import click

from pillarbox.cli.context import Context, pass_context

__all__ = ["auth"]

# OWASP's parameters for argon2id: 19 MiB, two passes, one lane. A login costs some 27 ms.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


@click.group()
def auth() -> None:
    """Make entries for auth.file, the list of those who may log in."""


@auth.command("hash")
@click.argument("user")
@pass_context
def hash_password(context: Context, user: str) -> None:
    """Print the line for USER; the password is asked for, or read from standard input.

    \b
    Examples:
      pillarbox auth hash ann@example.org >> /etc/pillarbox/users
      pass show mail/ann | pillarbox auth hash ann@example.org
    """  # noqa: D301 - click's mark: do not wrap
    if not user or ":" in user or not user.isprintable():
        raise click.UsageError("a user name is printable text without a colon")
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("the password is empty")
    context.out.raw(f"{user}:{_HASHER.hash(password)}\n")
