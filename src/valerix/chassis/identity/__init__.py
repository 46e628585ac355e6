"""Who is calling: keys, tokens, cookies."""
