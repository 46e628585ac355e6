"""The mutations of a piece of source."""

from pathlib import Path

import pytest
from tools.mutants.draw import area, edits, shares
from tools.mutants.mutant import read
from tools.mutants.source import Source

LIST = Path(__file__).parent / "0bd0177.jsonl"


def mutations(text: str) -> set[str]:
    source = Source(text.encode())
    return {source.after(edit).decode() for edit in edits(source)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a < b", {"x = a <= b"}),
        ("x = a is  not b", {"x = a is b"}),
        ("x = a in b not in c", {"x = a not in b not in c", "x = a in b in c"}),
        ("x = (a or b) and c", {"x = (a or b) or c", "x = (a and b) and c", "x = c", "x = (a or b)"}
         | {"x = (a) and c", "x = (b) and c"}),
        ("while a: b", {"while not (a): b"}),
        ("if not a: b", {"if a: b"}),
        ("x = a if b else c", {"x = a if not (b) else c"}),
        ("x = é + b - c", {"x = é - b - c", "x = é + b + c"}),
        ("x -= a", {"x += a"}),
        ("x = 1_000", {"x = 1001", "x = 999"}),
        ("async def f():\n    await g(a)", {"async def f():\n    pass"}),
        ("def f(): return a", {"def f(): return None"}),
        ("def f() -> bool: return a", {"def f() -> bool: return not (a)"}),
        ("def f(): return True", {"def f(): return False"}),
        ("def f(*, a=True): pass", {"def f(*, a=False): pass"}),
        ("x = f(a=False)", {"x = f(a=True)"}),
    ],
)  # fmt: skip
def test_python_is_mutated(text: str, expected: set[str]) -> None:
    assert mutations(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"""a = 1 and b"""',
        "log.info('x', retries=1)",
        "x: Literal[1]",
        "@cache(maxsize=1)\ndef f(a: Max[2]) -> Max[3]: pass",
        "class A(Struct, frozen=True): pass",
        "x = f'{a + 1}'",
        "x = zip(a, b, strict=True)",
        "x = 'a' + b",
    ],
)
def test_what_is_no_behaviour_is_left_alone(text: str) -> None:
    assert mutations(text) == set()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT a FROM t WHERE b >= c", {"SELECT a FROM t WHERE b > c"}),
        ("UPDATE t SET a = b + 1, c = d", {"UPDATE t SET a = b - 1, c = d"}),
        (
            "SELECT a FROM t FOR UPDATE SKIP LOCKED",
            {"SELECT a FROM t", "SELECT a FROM t FOR UPDATE"},
        ),
        ("INSERT INTO t (a) SELECT 1 ON CONFLICT (a) DO NOTHING", {"INSERT INTO t (a) SELECT 1"}),
        (
            "SELECT (a WHERE f(b AND c)\n) AND d ORDER BY a",
            {
                "SELECT (a WHERE f(b)\n) AND d ORDER BY a",
                "SELECT (a WHERE f(b AND c)\n) ORDER BY a",
            },
        ),
        ("SELECT a->>0, f(b => c), '=' WHERE a BETWEEN b AND c -- =", set()),
    ],
)
def test_sql_is_mutated(statement: str, expected: set[str]) -> None:
    assert mutations(f'x = """{statement}"""') == {f'x = """{text}"""' for text in expected}


def test_sql_of_an_f_string_is_mutated_outside_its_braces() -> None:
    assert mutations('x = f"SELECT {a + b} WHERE c = d"') == {'x = f"SELECT {a + b} WHERE c <> d"'}


def test_areas_are_the_services_and_the_named_parts_of_the_chassis() -> None:
    assert area("src/valerix/inventory/repository/stock.py") == "inventory"
    assert area("src/valerix/chassis/messaging/outbox.py") == "outbox"
    outside = [
        "orders/demo.py",
        "orders/metrics.py",
        "orders/migrations/fill.py",
        "chassis/door.py",
        "users/app.py",
    ]
    assert not any(area(f"src/valerix/{path}") for path in outside)


def test_every_area_has_its_share_but_at_least_four() -> None:
    assert shares({"large": 900, "half": 450, "tiny": 3}, 30) == {"large": 17, "half": 9, "tiny": 4}


def test_the_list_holds_sixty_mutants_that_differ_from_the_original() -> None:
    drawn = read(LIST)
    assert [mutant.number for mutant in drawn] == list(range(1, 61))
    assert all(
        mutant.before != mutant.after and area(mutant.path) == mutant.area for mutant in drawn
    )
