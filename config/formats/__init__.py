"""Dates and times as staff read them: the year first, and to the second. In UTC, like everything."""
