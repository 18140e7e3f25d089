"""Programs to copy: clients of the API."""
