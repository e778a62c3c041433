"""A plugin: one file or installed package with hooks, run in its own thread.

It has its own event loop, so a hook that blocks affects only its own plugin. If a hook raises or
times out, the configuration decides the answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pluggy

from pillarbox.config.settings import HookFailure, HookSettings
from pillarbox.errors import PermanentError
from pillarbox.hooks.answers import Answer
from pillarbox.hooks.specification import PROJECT, Specification
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.smtp.reply import Reply

__all__ = ["Plugin"]

_MOST_AT_ONCE: Final = 1_000  # calls that its thread has not started: the plugin is stuck
_UNAVAILABLE: Final = Reply.of(451, "4.3.0", "The message could not be checked, try again later")

Implementation = Callable[..., Any]
Defect = Callable[[str, BaseException], None]


class Plugin:
    """The hooks of one table of the configuration."""

    def __init__(self, name: str, settings: HookSettings, on_defect: Defect) -> None:
        """Load the plugin.

        Args:
            name: Its name in the configuration.
            settings: Its location and its timeout.
            on_defect: Called with exceptions from the plugin.

        Raises:
            PermanentError: It cannot be loaded, or implements an unknown hook.
        """
        self.name = name
        self.settings = settings
        self._on_defect = on_defect
        self._implementations = _implementations(name, _load(name, settings))
        self._loop = asyncio.new_event_loop()
        # Calls that wait for the thread; each counter is written by one thread only.
        self._asked = 0
        self._taken = 0
        threading.Thread(target=_run, args=(self._loop,), name=f"hook {name}", daemon=True).start()
        self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    def has(self, hook: str) -> bool:
        """Whether it implements a hook."""
        return hook in self._implementations

    def close(self) -> None:
        """Stop its thread; running calls are abandoned.

        It also ends once nothing refers to it any more: sessions that began before a reload keep
        the plugin that they began with.
        """
        self._end()

    async def ask(self, hook: str, subject: object) -> tuple[Ruling, bytes]:
        """Call the implementations of a hook one after the other.

        Returns:
            The ruling of the first one that does not pass, or a passing one, and the header fields
            from all of them.
        """
        fields = b""
        for implementation in self._implementations.get(hook, ()):
            answer = await self._call(hook, implementation, subject)
            if isinstance(answer, Ruling):
                return answer, fields
            if answer is None:
                continue
            fields = answer.fields + fields
            if answer.action is not Action.PASS:
                return self._ruling(answer), fields
        return Ruling(action=Action.PASS, by=self.name), fields

    async def _call(
        self, hook: str, implementation: Implementation, subject: object
    ) -> Answer | Ruling | None:
        if not self._end.alive:
            return self._failed(f"{hook} was not asked: it has ended")
        if self._asked - self._taken >= _MOST_AT_ONCE:
            return self._failed(f"{hook} was not asked: {_MOST_AT_ONCE} calls wait for an answer")
        self._asked += 1
        self._loop.call_soon_threadsafe(self._take)
        asked = asyncio.run_coroutine_threadsafe(_guarded(implementation, subject), self._loop)
        timeout = self.settings.timeout
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(asked), timeout)
        except TimeoutError:
            return self._failed(f"{hook} gave no answer within {timeout:g} s")
        except asyncio.CancelledError:
            if _is_canceled():
                raise
            return self._failed(f"{hook} was given up")  # by itself, or by stopping
        if isinstance(answer, _Raised):
            self._on_defect(f"hook {self.name}: {hook}", answer.error)
            return self._failed(f"{hook} raised {type(answer.error).__name__}: {answer.error}")
        if answer is None or isinstance(answer, Answer):
            return answer
        return self._failed(f"{hook} returned {type(answer).__name__}, which is not an answer")

    def _take(self) -> None:
        self._taken += 1

    def _ruling(self, answer: Answer) -> Ruling:
        return Ruling(
            action=answer.action,
            by=self.name,
            reply=answer.reply,
            reason=answer.reason,
            finding=answer.finding,
            evidence=answer.evidence,
        )

    def _failed(self, reason: str) -> Ruling:
        if self.settings.on_failure is HookFailure.DEFER:
            return Ruling(action=Action.DEFER, by=self.name, reply=_UNAVAILABLE, reason=reason)
        return Ruling(action=Action.NOTE, by=self.name, reason=reason)


class _Raised:
    """An exception from a hook, as a value: some exceptions would end the event loop."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(_give_up(asyncio.all_tasks(loop)))
    loop.close()


def _is_canceled() -> bool:
    """Whether the caller itself was canceled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _give_up(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _guarded(implementation: Implementation, subject: object) -> object:
    try:
        answer = implementation(subject)
        return await answer if inspect.isawaitable(answer) else answer
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a hook ends no node
        return _Raised(error)


def _load(name: str, settings: HookSettings) -> object:
    if settings.file is not None:
        return _load_file(name, settings.file)
    for point in entry_points(group=PROJECT):
        if point.name == settings.entry_point:
            try:
                return point.load()
            except Exception as error:  # foreign code may raise anything
                raise PermanentError(f"hook.{name}: {point.value}: {error}") from error
    raise PermanentError(f"hook.{name}: no package offers {settings.entry_point!r} ({PROJECT})")


def _load_file(name: str, path: Path) -> ModuleType:
    module_name = f"pillarbox_hook_{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PermanentError(f"hook.{name}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look up their module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # foreign code may raise anything
        raise PermanentError(f"hook.{name}: {path}: {type(error).__name__}: {error}") from error
    return module


def _implementations(name: str, plugin: object) -> dict[str, Sequence[Implementation]]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specification)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PermanentError(f"hook.{name}: {error}") from error
    found: dict[str, Sequence[Implementation]] = {}
    for caller in manager.get_hookcallers(plugin) or ():
        # The plugin manager stores them in reverse call order.
        found[caller.name] = [each.function for each in reversed(caller.get_hookimpls())]
    if not found:
        raise PermanentError(f"hook.{name}: no function in it is marked with pillarbox.hooks.hook")
    return found
