"""Generated calls that build on one another: every documented operation, every role, several
concurrently.

`run.py` sends them, `operations.py` has the table of requests, `pools.py` the values of answers for
later calls, `judging.py` the rules for every answer, `books.py` the totals that must agree at the
end.
"""
