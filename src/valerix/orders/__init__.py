"""The orders service and its worker."""
