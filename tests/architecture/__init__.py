"""The rules of the house, the table of roles they go by, and a violation of each."""
