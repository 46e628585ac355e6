"""Work of many callers at once in one process."""
