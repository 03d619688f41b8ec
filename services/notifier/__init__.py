"""The notifier service; its README tells what it owns."""
