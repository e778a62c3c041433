"""The node as a process: its event loop, its signals, and the user it runs as."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import Callable
from typing import Final

import uvloop

from pillarbox.config.loader import Loaded
from pillarbox.config.settings import NodeSettings
from pillarbox.errors import PermanentError, PillarboxError, TemporaryError
from pillarbox.node.bound import Bound, bind_node
from pillarbox.node.node import Node
from pillarbox.node.steering import Steering, make_control

__all__ = ["become", "run_node", "run_until_signal"]

_PRIVATE: Final = 0o077  # nobody else may read what we write
_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def run_node(
    loaded: Loaded, *, reload: Callable[[], Loaded], notify: Callable[[str], None]
) -> None:
    """Run a node until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    A second SIGTERM ends the process at once, which is as safe as any crash.

    Args:
        loaded: The configuration.
        reload: Reads it again.
        notify: Tells the service manager the node's state (``READY=1`` and so on).

    Raises:
        PillarboxError: The node cannot start; the message says why.
    """
    os.umask(_PRIVATE)
    settings = loaded.settings
    # Low ports need the privileges that are dropped next.
    bound = bind_node(settings)
    become(settings.node)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(loaded, reload, notify, bound))


async def _run(
    loaded: Loaded, reload: Callable[[], Loaded], notify: Callable[[str], None], bound: Bound
) -> None:
    node = Node(
        loaded.settings, reload=lambda: reload().settings, bound=bound, control=make_control
    )
    await node.start()
    notify("READY=1")
    reason = await run_until_signal(node, notify)
    notify("STOPPING=1")
    await node.stop(reason)
    if node.store.has_failed:
        raise TemporaryError(reason)  # a service manager restarts it


async def run_until_signal(node: Node, notify: Callable[[str], None] = lambda _state: None) -> str:
    """Wait until a signal or an operator stops the node; return the reason."""
    loop = asyncio.get_running_loop()
    steering = Steering(node)
    reloads: set[asyncio.Task[None]] = set()

    async def read_again() -> None:
        notify("RELOADING=1")
        try:
            with contextlib.suppress(PillarboxError):  # an event says why; the node continues
                await steering.reload()
        finally:
            notify("READY=1")

    def hang_up() -> None:
        task = loop.create_task(read_again())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    def stop() -> None:
        for number in _STOPPING:
            loop.remove_signal_handler(number)  # the next one ends the process at once
        node.request_stop("signal")

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    for number in _STOPPING:
        loop.add_signal_handler(number, stop)
    return await node.run()


def become(settings: NodeSettings) -> None:
    """Create the node's directory, and switch to the configured user.

    Raises:
        PermanentError: There is no such user, or only root could switch to it.
    """
    directory = settings.directory
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not settings.user:
            return
        user = pwd.getpwnam(settings.user)
        if os.geteuid() == user.pw_uid:
            return
        if os.geteuid() != 0:
            raise PermanentError(f"only root can become {settings.user} (node.user)")
        os.chown(directory, user.pw_uid, user.pw_gid)
        os.initgroups(settings.user, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except KeyError:
        raise PermanentError(
            f"there is no user {settings.user!r} (node.user); `useradd --system {settings.user}` "
            "makes it"
        ) from None
    except OSError as error:
        raise PermanentError(
            f"node.directory {directory} cannot be made or given to its user: "
            f"{error.filename or directory}: {error.strerror}"
        ) from error
