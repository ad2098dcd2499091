"""Runs and step runs: enqueue, claim, execute, retry, record, replay."""
