"""Who trades what, and who owes whom: orders, clearing, books, proofs; integers only."""
