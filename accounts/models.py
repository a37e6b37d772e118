"""Users as Keycloak names them, the roles that this system knows, and tokens that are no longer accepted."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, Group, PermissionsMixin
from django.db import models
from django.utils import timezone

PERMISSIONS = {
    "tasks:read": "Read own tasks",
    "tasks:write": "Create and change own tasks",
    "tasks:delete": "Delete own tasks",
    "tasks:admin": "Do all of these with everybody's tasks",
    "users:admin": "Manage users and their roles",
}


class User(AbstractBaseUser, PermissionsMixin):
    """A copy of what a token said, keyed by its `sub`: for oversight and for names, never to decide access.

    A name or an e-mail address may pass to another person in Keycloak, so neither is unique here and
    nothing is ever matched by them.
    """

    # Nobody logs in with a password here, and a login is no write to this row.
    password = None  # type: ignore[assignment]
    last_login = None

    id = models.TextField("subject", primary_key=True)
    username = models.TextField(db_index=True)
    email = models.TextField(blank=True, default="", db_index=True)
    is_staff = models.BooleanField("may enter the admin", default=False)
    is_active = models.BooleanField("active", default=True)
    first_seen_at = models.DateTimeField(default=timezone.now, editable=False)
    # None: an admin has named this user, who has not called yet.
    last_seen_at = models.DateTimeField(null=True, editable=False, db_index=True)

    objects = BaseUserManager()

    USERNAME_FIELD = "id"
    EMAIL_FIELD = "email"

    class Meta:
        # Not "user": the word is reserved, and an unquoted SELECT … FROM user silently means something else.
        db_table = "account"
        default_permissions = ()

    def __str__(self) -> str:
        return self.username

    def get_short_name(self) -> str:
        return self.username

    def has_usable_password(self) -> bool:
        return False


class Role(Group):
    """An application role. Its permissions are the role matrix, which decides every call."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = tuple(PERMISSIONS.items())


class Denial(models.Model):
    """Tokens refused before they expire: one session's, one subject's, or everybody's up to a time."""

    class Kind(models.TextChoices):
        SESSION = "session"
        SUBJECT = "subject"
        EVERYBODY = "everybody"

    kind = models.TextField(choices=Kind.choices)
    subject = models.TextField(default="", blank=True)
    session = models.TextField(default="", blank=True)
    issued_before = models.BigIntegerField(
        default=0, help_text="Epoch seconds: a token with `iat` up to and including it is refused."
    )
    written_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "denial"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["kind", "subject", "session"], name="denial_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["session", "subject", "everybody"]), name="denial_kind"
            ),
        )

    def __str__(self) -> str:
        return " ".join(filter(None, [self.kind, self.subject, self.session]))
