"""People, roles, integration keys, sign-in and the audit log."""
