"""Notifications: e-mail and SMS for customers and operators, live events for connected clients."""
