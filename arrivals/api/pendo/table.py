"""The table of endpoints as the documentation has it: ``python -m arrivals.api.pendo.table`` prints it."""


def markdown() -> str:
    """One row an endpoint: method and path, the access it needs, what is supported."""
    from arrivals.api.pendo.urls import ENDPOINTS

    head = "| endpoint | key | what is supported |\n|---|---|---|\n"
    return head + "".join(f"| `{one.method} {one.path}` | {one.needs} | {one.supported} |\n" for one in ENDPOINTS)


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arrivals.settings")
    import django

    django.setup()
    print(markdown(), end="")  # noqa: T201
