#!/usr/bin/env python
"""Taskmill's command line: `./manage.py help` lists the commands."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # One clear line for an operator who set a variable wrongly; a traceback would hide it.
        sys.exit(f"taskmill: {error}")


if __name__ == "__main__":
    main()
