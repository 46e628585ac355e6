"""The identity of a caller: keys, tokens, cookies."""
