"""Mutation testing of what carries the promises: small faults are drawn, applied one by one, and the tests must fail.

    python -m tools.mutants draw 60 0bd0177 > tests/mutants/0bd0177.jsonl
    python -m tools.mutants run tests/mutants/0bd0177.jsonl results.jsonl --tests "tests/orders tests/chassis" \
        --nearest-first -- -q -m "not stack"
    python -m tools.mutants report tests/mutants/0bd0177.jsonl results.jsonl

`apply` and `restore` put one mutant into a checkout and take it out again, to look at it or to write its test.
"""
