"""The types and names that cross a service boundary: ids, money, roles, commands, events.

Nothing else belongs here.
"""
