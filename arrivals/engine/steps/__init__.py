"""What each type of step does. What is allowed in it is in ``arrivals.workflows.steps``."""
