"""Generates Python models and TypeScript types from the OpenAPI document of the API."""
