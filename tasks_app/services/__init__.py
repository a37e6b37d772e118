"""What other apps may ask of tasks."""

from tasks_app.services.lookups import assignee, title

__all__ = ["assignee", "title"]
