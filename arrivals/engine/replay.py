"""Running again. Blocks."""


def replay(run_id: str, start_from: str) -> str:
    """Run again "failed" (the same run goes on at the failed step, same idempotency keys) or "start" (a new run).

    Returns the id of the run that will be executed.

    Raises:
        NotFound; Conflict: the run has not ended, or "failed" for a run that did not fail. Invalid: another word.
    """
    raise NotImplementedError


def release(connection_id: str) -> int:
    """Let the runs that were held for this connection go on; return how many."""
    raise NotImplementedError
