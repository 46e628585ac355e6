"""What crosses a service border, and nothing else: ids, money, roles, commands, events."""
