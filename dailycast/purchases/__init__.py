"""That nothing is paid twice: each call to a vendor has a ledger entry, a budget, a rate limit and retries."""
