import os
import shutil
from pathlib import Path

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
