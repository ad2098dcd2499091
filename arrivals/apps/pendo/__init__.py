"""Reports of a real Pendo subscription, and what can be done in it."""
