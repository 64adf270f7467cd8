"""`python -m earmark.testing.mock_server`: serve until told to end."""

from __future__ import annotations

from earmark.testing.mock_server.server import main

if __name__ == "__main__":
    raise SystemExit(main())
