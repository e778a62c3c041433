"""Draw what commands print, as SVG, for light and for dark pages: docs/terminal/*.svg.

Each scene is a real run in a terminal of its own (a pty), on example files only: nothing is
asked of the network. Run it again after a change: `make pictures`, and look at the result.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "terminal"
EXAMPLES = Path("examples") / "pictures"
WIDTH = 104
PORT = 25252  # of a lab server that stands there while scenes are drawn
PATIENCE = 60.0  # seconds for one command

LIGHT = TerminalTheme(
    (255, 255, 255),
    (28, 36, 48),
    [
        (28, 36, 48),
        (185, 28, 28),
        (21, 128, 61),
        (161, 98, 7),
        (29, 78, 216),
        (126, 34, 206),
        (14, 116, 144),
        (75, 85, 99),
    ],
)
DARK = TerminalTheme(
    (18, 22, 27),
    (226, 230, 235),
    [
        (18, 22, 27),
        (248, 113, 113),
        (74, 222, 128),
        (250, 204, 21),
        (147, 197, 253),
        (216, 180, 254),
        (103, 232, 249),
        (203, 213, 225),
    ],
)

# As rich draws it, without the fonts that it would load from elsewhere and without its window.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>{chrome}</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect width="{width}" height="{height}" rx="8" fill="BACKGROUND"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A command that is drawn."""

    name: str
    shown: str  # as a person would type it
    arguments: tuple[str, ...] = ()  # where that differs
    environment: tuple[tuple[str, str], ...] = ()


SCENES = (
    Scene(
        "explain",
        'pillarbox explain "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is '
        'disabled for the Tenant."',
        (
            "explain",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
        ),
    ),
    Scene("reports-dmarc", f"pillarbox reports dmarc {EXAMPLES}/dmarc --offline"),
    Scene("reports-tls", f"pillarbox reports tls {EXAMPLES}/tls.json"),
    Scene(
        "check-message",
        f"pillarbox check message {EXAMPLES}/list.eml --zone {EXAMPLES}/list.zone "
        "--ip 198.51.100.20 --helo lists.example --from growers-bounces@lists.example",
    ),
    Scene("check-domain", f"pillarbox check domain example.org --zone {EXAMPLES}/example.org.zone"),
    Scene(
        "check-smtp",
        f"pillarbox check smtp localhost:{PORT} --from ann@example.org --to greylist@lab.test",
    ),
    Scene(
        "check-login",
        f"pillarbox check login localhost:{PORT} -u ann --password-env SMTP_PASSWORD"
        " --any-certificate",
        environment=(("SMTP_PASSWORD", "good words "),),
    ),
    Scene(
        "check-port25",
        f"pillarbox check port25 --server 127.0.0.1:9 --server 127.0.0.2:9 --compare localhost:{PORT}"
        " --provider hetzner --smarthost smtp.sendgrid.net:2525",
    ),
    Scene("talk", f"pillarbox talk localhost:{PORT} --script {EXAMPLES}/greeting.talk"),
    Scene("dns-records", "pillarbox dns records example.org --ip 192.0.2.25"),
)


def main() -> int:
    """Draw all scenes, or those that are named."""
    wanted = set(sys.argv[1:])
    TARGET.mkdir(parents=True, exist_ok=True)
    with lab_server():
        for scene in SCENES:
            if wanted and scene.name not in wanted:
                continue
            printed = run(scene)
            for name, theme in (("light", LIGHT), ("dark", DARK)):
                picture = draw(scene, printed, theme)
                (TARGET / f"{scene.name}-{name}.svg").write_text(picture, "utf-8")
            print(f"{scene.name}: {printed.count(chr(10))} lines")
    return 0


@contextmanager
def lab_server() -> Iterator[None]:
    """Run a mail server of the lab, with one user, while the block lasts."""
    server = LabServer(
        "mx.lab.test",
        tls=self_signed_context("mx.lab.test"),
        logins=LabLogins({"ann": "good words"}),
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", PORT), loop).result()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def run(scene: Scene) -> str:
    """Return what a command prints to a terminal ``WIDTH`` columns wide."""
    arguments = scene.arguments or tuple(scene.shown.split()[1:])
    with tempfile.TemporaryDirectory() as home:
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
        environment = {
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "HOME": home,
            "LANG": "C.UTF-8",
            **dict(scene.environment),
        }
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "pillarbox"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=environment,
            close_fds=True,
        )
        os.close(theirs)
        printed = b""
        while select.select([ours], [], [], PATIENCE)[0]:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            printed += piece
        process.wait(PATIENCE)
        os.close(ours)
    # What a line of progress leaves behind is what a person sees last.
    lines = printed.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines).rstrip() + "\n"


def draw(scene: Scene, printed: str, theme: TerminalTheme) -> str:
    """Return the picture of a scene."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.assemble(("$ ", "dim"), (scene.shown, "bold")))
        console.print(Text.from_ansi(printed))
        background = "#{:02x}{:02x}{:02x}".format(*theme.background_color)
        return console.export_svg(
            title=scene.shown,
            theme=theme,
            code_format=FORMAT.replace("BACKGROUND", background),
            unique_id=scene.name,
        )


if __name__ == "__main__":
    sys.exit(main())
