"""A stand-in for an OpenAI-compatible server: for rehearsals, tests and benchmarks.

`python -m earmark.testing.mock_server --help` lists how it can be slow, busy, broken or wrong.
"""
