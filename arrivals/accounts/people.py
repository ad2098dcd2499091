"""People: make, change, sign in. Blocks."""

from arrivals.accounts.models import Person


def create(email: str, *, password: str, role: str = "member", name: str = "") -> Person:
    """Raises Invalid with path "email", "password" or "role"; Conflict when the address is taken."""
    raise NotImplementedError


def sign_in(email: str, password: str, *, address: str) -> Person:
    """Raises NotSignedIn (wrong address or password), TooMany (10 refusals in 15 minutes by address or e-mail)."""
    raise NotImplementedError


def link(person: Person, *, minutes: int = 60) -> str:
    """Make a one-time sign-in link; return its path (/sign-in/link/<token>)."""
    raise NotImplementedError


def use_link(token: str) -> Person:
    """Raises NotSignedIn when it is unknown, used or out of date."""
    raise NotImplementedError
