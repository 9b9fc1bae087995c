"""The ledger on PostgreSQL: one truth for many hosts."""
