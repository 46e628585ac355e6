"""Cross-cutting parts every service stands on. No business word lives here."""
