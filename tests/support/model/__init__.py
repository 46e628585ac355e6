"""Generated calls that know of one another: every documented operation, every role, several at once.

`run.py` sends them, `operations.py` has the table of what is sent, `pools.py` what answers gave for later calls,
`judging.py` what every answer must be, `books.py` what must add up at the end.
"""
