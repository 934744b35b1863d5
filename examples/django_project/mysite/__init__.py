"""The smallest Django project: one view, no database."""
