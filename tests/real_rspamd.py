"""A real rspamd for tests, without its rules, which need files and the network."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.loopback import own_address
from tests.peers import require

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@contextmanager
def running_rspamd(folder: Path) -> Iterator[str]:
    """Run rspamd, and give its URL; the test is skipped where it is not installed."""
    require("rspamd")
    address = own_address()
    config = folder / "rspamd.conf"
    config.write_text(
        f'options {{ pidfile = "{folder}/pid"; filters = ""; tempdir = "{folder}";\n'
        '  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; } }\n'
        'logging { type = "console"; }\n'
        "actions { reject = 15; add_header = 6; greylist = 4; }\n"
        f'worker "normal" {{ bind_socket = "{address}:11333"; count = 1; }}\n'
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["rspamd", "-f", "-i", "-c", str(config)], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection((address, 11333), 1):
                    break
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.05)
            yield f"http://{address}:11333"
        finally:
            process.terminate()
            process.wait(10)
