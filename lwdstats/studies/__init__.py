"""What takes whole runs."""
