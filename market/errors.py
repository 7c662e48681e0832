"""Errors of the market library: `MarketError` is their root."""


class MarketError(Exception):
    """A market, ledger or proof was asked for something impossible; the message says what."""
