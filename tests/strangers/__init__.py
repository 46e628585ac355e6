"""Third-party tools that integrators use on the published documents: generators, compilers,
linters, parsers.
"""
