"""Encoders in the harnesses of others: HEAR, X-ARES, mteb."""
