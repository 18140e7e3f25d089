"""What the doors of usage read and answer, a module beside each of `usage/views`."""
