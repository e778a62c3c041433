"""The manual pages and the completion that the command line makes of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.terminal import at_terminal

from pillarbox.cli.main import cli
from pillarbox.cli.manual import pages

BIN = Path(sys.executable).parent
_READY = "re''ady"  # what is typed is not what is printed


def test_each_command_has_a_page() -> None:
    """Every command below every group has a page that names it and its exit status."""
    found = dict(pages(cli))
    for name in (
        "pillarbox",
        "pillarbox-queue-list",
        "pillarbox-check-domain",
        "pillarbox-explain",
    ):
        page = found[name]
        assert page.startswith(f'.TH "{name.upper()}" "1"')
        assert ".SH EXIT STATUS" in page
    assert "pillarbox\\-check\\-domain" in found["pillarbox-check"]


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say_about_the_pages(tmp_path: Path) -> None:
    """The pages are clean: the formatter warns of nothing in any of them."""
    command = [BIN / "pillarbox", "manual", "--directory", tmp_path]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    files = sorted(tmp_path.glob("*.1"))
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(files) > 50
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_its_script(shell: str) -> None:
    """The script is for the shell that was named."""
    command = [BIN / "pillarbox", "completion", shell]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert f"_PILLARBOX_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True, timeout=60)


def test_bash_completes_a_subcommand() -> None:
    """With the script read, bash completes `pillarbox check do` to `domain`."""
    script = (
        "source <(pillarbox completion bash) 2>/dev/null; COMP_WORDS=(pillarbox check do); "
        'COMP_CWORD=2; _pillarbox_completion pillarbox; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    assert done.stdout.split() == ["domain"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_an_option(tmp_path: Path) -> None:
    """At a prompt of zsh, the tab key writes the rest of an option of a subcommand."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "PS1": "% ", "ZDOTDIR": str(tmp_path)}
    with at_terminal(["-f"], program=["zsh"], environment=environment) as zsh:
        zsh.type(
            f'autoload -U compinit; compinit -D; eval "$(pillarbox completion zsh)"; echo {_READY}\n'
        )
        zsh.expect("\nready")
        zsh.type("pillarbox check domain --reso\t")
        zsh.expect("--resolver ")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_with_whole_descriptions(tmp_path: Path) -> None:
    """The shell fish is told what a command does, with all commas of it."""
    line = "pillarbox completion fish | source; complete --do-complete 'pillarbox check do'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", line],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )
    assert done.stdout.split("\t") == ["domain", "Test a domain's MX, SPF, DKIM, DMARC and TLS.\n"]
