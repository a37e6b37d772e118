"""The real settings, with the example beside the apps."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.rollout"]
ROOT_URLCONF = "tests.rollout.views"
