"""What makes the documentation and its pictures; no part of the package."""
