"""Refund desk for payments taken through Bank 131."""

__version__ = "0.1.0"
