"""The description of a service's API: its OpenAPI document."""
