"""Encoders of earmark in the harnesses of others: HEAR, X-ARES, mteb."""
