"""The re-entry policies, as a decision without I/O."""
