"""Which tags become classes: domains, scores, the ranking, how many."""
