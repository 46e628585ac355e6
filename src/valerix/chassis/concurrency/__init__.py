"""Work of many concurrent callers within one process."""
