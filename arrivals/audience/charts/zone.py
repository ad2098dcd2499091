"""The time zone that days, weeks and months of charts are in."""


def name() -> str:
    """The workspace's zone, an IANA name."""
    return "UTC"
