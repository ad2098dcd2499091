"""Arrivals: self-hosted product analytics whose reports act."""

__version__ = "0.1.0"
