"""The architecture rules, the table of roles that they use, and a violation of each rule."""
