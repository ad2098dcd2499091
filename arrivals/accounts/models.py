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
    """A secret for the API, kept as a hash. ``hint`` is what may be shown of it: its beginning and the last 4."""

    class State(models.TextChoices):
        ACTIVE = "active"
        EXPIRED = "expired"
        REVOKED = "revoked"

    id = models.CharField(primary_key=True, max_length=40, default=ids.integration_key, editable=False)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=40)
    form = models.CharField(max_length=20, default="arrivals")  # one of key_forms.FORMS
    write = models.BooleanField(default=False)
    source_id = models.CharField(max_length=40, default="")  # "": all sources. It outlives the source: never wider
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=64, default="")  # network address
    last_used_by = models.CharField(max_length=200, default="")  # User-Agent
    replaced_by = models.CharField(max_length=40, default="")  # the key that it was rotated to
    replaced_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)  # last use after its end
    refused_from = models.CharField(max_length=64, default="")

    @property
    def state(self) -> State:
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.expires_at is not None and self.expires_at <= clock.now():
            return self.State.EXPIRED
        return self.State.ACTIVE

    @property
    def still_used(self) -> bool:
        """Whether it was used after it was rotated: somebody has not put the successor in place yet."""
        return bool(self.replaced_at and self.last_used_at and self.last_used_at > self.replaced_at)


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


class WrongKeys(models.Model):
    """How often wrong integration keys came from one address in one hour."""

    address = models.CharField(max_length=64)
    hour = models.DateTimeField()
    uses = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address", "hour"], name="wrong_keys_once")]


class AuditEntry(models.Model):
    """Who did what to which thing. ``who`` is an e-mail address or "key:..."."""

    at = models.DateTimeField(default=clock.now, db_index=True)
    who = models.CharField(max_length=254)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=80)
    details = models.JSONField(default=dict)


class Workspace(models.Model):
    """One row: what holds for everybody. Without it the defaults of ``workspace.Settings`` do."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    time_zone = models.CharField(max_length=64)
    week_starts = models.CharField(max_length=10)
    changed_at = models.DateTimeField(default=clock.now)
