"""The doors of usage: our own, and one module for each vendor's contract."""
