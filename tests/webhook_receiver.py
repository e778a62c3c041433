"""A program that is called by webhooks: it keeps the calls, and answers what it is told to."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import h11


@dataclass(frozen=True)
class Call:
    """One call, as it came."""

    path: str
    fields: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Takes calls on a free port of loopback; ``answers`` are used up, then 200 is said."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    delay: float = 0.0
    text: bytes = b"answer"
    tls: ssl.SSLContext | None = None
    most_at_once: int = 0
    _now: int = 0
    _server: asyncio.Server | None = None
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it takes calls."""
        assert self._server is not None
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://localhost:{self._server.sockets[0].getsockname()[1]}/hook?x=1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task, writer in self._open.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def wait_for(self, count: int) -> list[Call]:
        """Wait until so many calls have come."""
        async with asyncio.timeout(10):
            while len(self.calls) < count:  # noqa: ASYNC110 - short, and simple
                await asyncio.sleep(0.005)
        return self.calls

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        http = h11.Connection(h11.SERVER)
        path, fields, body = "", {}, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                path = event.target.decode()
                fields = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        self.calls.append(Call(path, fields, body))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self.delay)
        self._now -= 1
        status, said = self.answers.pop(0) if self.answers else (200, {})
        answer = [*said.items(), ("connection", "close")]
        writer.write(http.send(h11.Response(status_code=status, headers=answer)) or b"")
        writer.write(http.send(h11.Data(data=self.text)) or b"")
        writer.write(http.send(h11.EndOfMessage()) or b"")
        writer.close()
        del self._open[task]
