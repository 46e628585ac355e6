"""Writes what is generated from the API's OpenAPI document: models for Python, types for
TypeScript.
"""
