"""The console: its pages, the live operations feed, and the merged API reference."""
