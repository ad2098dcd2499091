"""Segments and reports: rules as data, compiled to SQL with bound parameters."""
