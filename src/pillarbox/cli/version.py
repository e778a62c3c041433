"""``pillarbox version``: the running versions, for a bug report."""

from __future__ import annotations

import platform
from importlib.metadata import version as distribution_version

import click

from pillarbox import __version__
from pillarbox.cli.context import Context, pass_context

__all__ = ["version"]

_LIBRARIES = ("apsw", "asyncpg", "cryptography", "dnspython", "msgspec", "uvloop")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def version(context: Context, as_json: bool) -> None:  # noqa: FBT001 - click
    """Print the versions of pillarbox, Python and the libraries."""
    versions = {"pillarbox": __version__, "python": platform.python_version()}
    versions |= {name: distribution_version(name) for name in _LIBRARIES}
    if as_json:
        context.out.json(versions)
        return
    width = max(map(len, versions))
    for name, text in versions.items():
        context.out.line(f"{name:{width}}  {text}")
