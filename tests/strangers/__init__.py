"""Tools that others point at the published documents: generators, compilers, linters, parsers."""
