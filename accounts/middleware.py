"""The place where settings look for middleware."""

from accounts.admin_login import AdminRevocationMiddleware

__all__ = ["AdminRevocationMiddleware"]
