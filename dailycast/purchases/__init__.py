"""Purchases: each call to a vendor has a ledger entry, a budget, a rate limit and retries. Nothing is paid twice."""
