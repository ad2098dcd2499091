"""Types of steps: what is allowed in each. What they do is in ``arrivals.engine.steps``."""
