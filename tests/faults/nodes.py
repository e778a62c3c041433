"""Nodes for the fault tests, on each kind of store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.ledger.campaign import SINK_PORT
from tests.loopback import own_address
from tests.node_process import NodeProcess, relay_config


def node_for(
    directory: Path,
    sink: str,
    *,
    store: str = "sqlite:pillarbox.db",
    extra: str = "",
    is_forked: bool = False,
) -> NodeProcess:
    """Return a node, not started, that relays everything to ``sink``.

    Args:
        directory: Where the node keeps its files.
        sink: Address of the sink.
        store: URL of its store.
        extra: More tables of the configuration.
        is_forked: Whether it starts at once, its modules imported before.
    """
    address = own_address()
    tables = f'[store]\nurl = "{store}"\n\n[log]\nfile = "{directory}/events.log"\n{extra}'
    config = relay_config(directory, address, f"{sink}:{SINK_PORT}", extra=tables)
    return NodeProcess(directory, config, address, is_forked=is_forked)


@asynccontextmanager
async def running(node: NodeProcess) -> AsyncIterator[NodeProcess]:
    """Run a node until the block ends, and expect it to stop cleanly."""
    node.start()
    try:
        await node.ready()
        yield node
    except BaseException:
        node.kill()
        raise
    code = await asyncio.to_thread(node.stop)
    assert code == 0, node.output[-4000:]
