import os
import shutil
from pathlib import Path

from config.launch import state
from config.launch.errors import LaunchError, explain

MEGABYTE = 1024 * 1024


def prepare(folder: Path, *, megabytes: int) -> None:
    """Make the data folder, private to its owner's writing, and refuse one that cannot hold what will come."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(explain(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LaunchError(f"{folder} cannot be written: give yourself the right, or start as its owner.")
    free = shutil.disk_usage(folder).free // MEGABYTE
    if free < megabytes:
        raise LaunchError(f"{folder} has {free} MB of free disk, {megabytes} MB are needed: free some space.")


def remove(folder: Path) -> None:
    """Remove a system's data, also where root's servers keep it elsewhere."""
    if state.is_running(state.read(folder)):
        raise LaunchError(f"{folder.name} is running: stop it before you remove its data.")
    data = folder / "data"
    if data.is_symlink():
        shutil.rmtree(data.resolve(), ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)
