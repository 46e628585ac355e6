"""Mutation testing of the code behind the guarantees: with each small fault, a test must fail.

    python -m tools.mutants draw 60 0bd0177 > tests/mutants/0bd0177.jsonl
    python -m tools.mutants run tests/mutants/0bd0177.jsonl results.jsonl \
        --tests "tests/orders tests/chassis" --nearest-first -- -q -m "not stack"
    python -m tools.mutants report tests/mutants/0bd0177.jsonl results.jsonl

`apply` puts one mutant into a checkout and `restore` removes it, to look at it or to write its
test.
"""
