"""``pillarbox completion``: shell completion of commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pillarbox.cli.context import Context, pass_context
from pillarbox.errors import PermanentError

__all__ = ["completion"]

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_PILLARBOX_COMPLETE"  # what click looks for when the shell asks


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@pass_context
def completion(context: Context, shell: str) -> None:
    """Print what SHELL has to read so that it completes pillarbox's commands.

    \b
      bash:  pillarbox completion bash > ~/.local/share/bash-completion/completions/pillarbox
      zsh:   pillarbox completion zsh > "${fpath[1]}/_pillarbox"
      fish:  pillarbox completion fish > ~/.config/fish/completions/pillarbox.fish
    """  # noqa: D301 - click's mark: do not wrap
    found = get_completion_class(shell)
    with context.errors():
        if found is None:
            raise PermanentError(f"this release of click does not know {shell}")
        root = click.get_current_context().find_root()
        # The class of bash asks which bash there is, to warn of an old one; `source` does not.
        maker = found(root.command, {}, "pillarbox", _VARIABLE)
        source = maker.source_template % maker.source_vars()
        # What a command does may have commas in it, and is one field for all that.
        context.out.raw(source.replace('string split "," ', 'string split --max 1 "," '))
