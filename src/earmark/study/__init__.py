"""Arms times seeds to one table: what the supervision bought."""
