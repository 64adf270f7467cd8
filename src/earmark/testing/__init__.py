"""Fakes that ship with earmark, for rehearsals, tests and benchmarks."""
