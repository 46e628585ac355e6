"""The event bus: one small interface, two adapters."""
