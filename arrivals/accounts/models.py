"""Tables of people, keys and the audit log."""

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from arrivals import clock, ids


class People(BaseUserManager["Person"]):
    """Finds people by e-mail address, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(email=(username or "").strip().lower())


class Person(AbstractBaseUser):
    """Somebody who signs in. An admin may also manage people, integration keys and connections."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        MEMBER = "member"

    id = models.CharField(primary_key=True, max_length=40, default=ids.person, editable=False)
    email = models.EmailField(unique=True)  # stored in lower case
    name = models.CharField(max_length=200, blank=True, default="")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = People()

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN


class IntegrationKey(models.Model):
    """A secret for the API, kept as a hash. ``hint`` is what may be shown of it: the prefix and the last 4."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.integration_key, editable=False)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=40)
    write = models.BooleanField(default=False)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=clock.now)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class SignInLink(models.Model):
    """A link that signs one person in once; only the hash of its token is kept."""

    digest = models.CharField(primary_key=True, max_length=64)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class SignInFailure(models.Model):
    """One refused sign-in (or wrong key); counted by ``subject`` ("email:..." or "address:...") to slow guessing."""

    subject = models.CharField(max_length=300)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="sign_in_failure_subject")]


class AuditEntry(models.Model):
    """Who did what to which thing. ``who`` is an e-mail address or "key:..."."""

    at = models.DateTimeField(default=clock.now, db_index=True)
    who = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=80)
    details = models.JSONField(default=dict)
