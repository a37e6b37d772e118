"""`make run`: the whole system from Python packages alone, without root, Docker or anything else installed."""
