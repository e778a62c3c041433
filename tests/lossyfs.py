"""A file system that forgets: at a power cut, what was not synced is lost or torn.

Run as ``python tests/lossyfs.py FOLDER SEED``, or use ``lossy_folder``. Files live in
memory. ``fsync`` makes a file's writes durable; ``cut_power`` keeps a random beginning of
each file's other writes, the last of them perhaps in part, and drops the rest.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mfusepy
import pytest

_CUT = "user.power"
_SECOND = 1_000_000_000


@dataclass
class LossyFile:
    """A file as it looks, as it would be found after a power cut, and what lies between."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: truncated

    def change(self, offset: int, data: bytes | None) -> None:
        """Write at an offset, or truncate to it."""
        _apply(self.seen, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        """Make everything durable."""
        for offset, data in self.pending:
            _apply(self.durable, offset, data)
        self.pending.clear()

    def cut(self, chance: random.Random) -> None:
        """Lose what the power cut takes."""
        survivors = chance.randint(0, len(self.pending))
        for offset, data in self.pending[:survivors]:
            _apply(self.durable, offset, data)
        for offset, data in self.pending[survivors : survivors + 1]:
            if data is not None:
                _apply(self.durable, offset, data[: chance.randint(0, len(data))])
        self.pending.clear()
        self.seen = bytearray(self.durable)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is not None:
        content[offset : offset + len(data)] = data


class LossyFileSystem(mfusepy.Operations):
    """One folder of lossy files. Names are durable at once: SQLite syncs folders itself."""

    use_ns = True

    def __init__(self, seed: int) -> None:
        self._files: dict[str, LossyFile] = {}
        self._chance = random.Random(seed)

    def _file(self, path: str) -> LossyFile:
        if path not in self._files:
            raise mfusepy.FuseOSError(errno.ENOENT)
        return self._files[path]

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        del fh
        now = int(time.time() * _SECOND)
        times = {"st_mtime": now, "st_ctime": now, "st_atime": now}
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2, **times}
        size = len(self._file(path).seen)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        del path, fh
        return [".", "..", *(name[1:] for name in self._files)]

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        del mode, fi
        self._files[path] = LossyFile()
        return 1

    def open(self, path: str, flags: int) -> int:
        del flags
        self._file(path)
        return 1

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        del fh
        return bytes(self._file(path).seen[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        del fh
        self._file(path).change(offset, data)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        del fh
        self._file(path).change(length, None)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        del datasync, fh
        self._file(path).sync()
        return 0

    def unlink(self, path: str) -> int:
        del self._files[path]
        return 0

    def rename(self, old: str, new: str) -> int:
        self._files[new] = self._files.pop(old)
        return 0

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        del path, value, options, position
        if name != _CUT:
            raise mfusepy.FuseOSError(errno.ENOTSUP)
        for file in self._files.values():
            file.cut(self._chance)
        return 0

    def _nothing(self, *_: Any) -> int:
        return 0

    chmod = chown = utimens = flush = fsyncdir = release = _nothing


def cut_power(folder: Path) -> None:
    """Lose what was not synced; nothing may have a file open."""
    os.setxattr(folder, _CUT, b"cut")


@contextmanager
def lossy_folder(folder: Path, *, seed: int) -> Iterator[Path]:
    """Mount such a file system on an empty folder; skip where there is no FUSE."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no access to /dev/fuse")
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), str(seed)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 10
        while not os.path.ismount(folder):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip("FUSE cannot be mounted here")
            time.sleep(0.02)
        yield folder
    finally:
        subprocess.run(["fusermount", "-uz", str(folder)], check=False, capture_output=True)
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        process.terminate()
        process.communicate(timeout=10)


if __name__ == "__main__":
    mfusepy.FUSE(
        LossyFileSystem(int(sys.argv[2])),
        sys.argv[1],
        foreground=True,
        nothreads=True,
        attr_timeout=0,
        entry_timeout=0,
    )
