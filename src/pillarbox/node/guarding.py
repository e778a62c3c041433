"""Builds the guards of a door: disk space, machine memory, content in flight."""

from __future__ import annotations

import shutil
from pathlib import Path

from pillarbox.config.settings import Settings
from pillarbox.intake.budget import ByteBudget
from pillarbox.intake.guards import Guards
from pillarbox.intake.memory import MemoryGuard
from pillarbox.intake.reserve import Disk, DiskReserve, reserve_for

__all__ = ["make_guards"]


async def make_guards(
    disk: Disk, settings: Settings, *, directory: Path, max_message_size: int
) -> Guards:
    """Return guards that watch the disk from now on; ``reserve.stop`` ends that.

    Args:
        disk: Measures the free space.
        settings: The space to keep free, and the memory limits.
        directory: A directory on that disk.
        max_message_size: Octets.
    """
    reserve = settings.store.reserve
    free = await disk.free_octets()
    if not reserve and free is not None:
        total = shutil.disk_usage(directory).total
        reserve = reserve_for(free=free, disk=total, max_message_size=max_message_size)
    guard = DiskReserve(disk, reserve)
    await guard.start()
    return Guards(
        reserve=guard, memory=MemoryGuard(), budget=ByteBudget(settings.limits.bytes_in_flight)
    )
