"""The ledger file against crashes, damage and a second writer."""

from pathlib import Path

import pytest

from tests.support.disks import filled, mounted
from valerix.contracts.states import ChargeStatus
from valerix.psp.book import Book, Entry
from valerix.psp.ledger import Ledger, LedgerCorrupt, LedgerInUse
from valerix.psp.schemas import (
    CancelRequest,
    ChargeRequest,
    LedgerCharge,
    LedgerRefund,
    ProviderRefundRequest,
)

ENTRIES: list[Entry] = [
    LedgerCharge("order-1", ChargeStatus.CAPTURED, 1000, "USD", "card_ok"),
    LedgerCharge("order-2", ChargeStatus.DECLINED, 500, "EUR", "card_expired", "expired_card"),
    LedgerRefund("refund-1", "order-1", 300),
    LedgerCharge("order-3", ChargeStatus.CANCELLED),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger with ENTRIES in it, in a folder that did not exist before."""
    ledger_file = tmp_path / "new" / "ledger.jsonl"
    with Ledger.open(ledger_file, Book().replay) as ledger:
        ledger.append(ENTRIES[:1])
        ledger.append(ENTRIES[1:])
    return ledger_file


def read(file: Path) -> tuple[Book, int]:
    book = Book()
    with Ledger.open(file, book.replay) as ledger:
        return book, ledger.lines


def test_what_was_appended_is_read_back(file: Path) -> None:
    book, lines = read(file)
    assert lines == 4
    assert [c.status for c in book.find(["order-1", "order-2", "order-3"])] == [
        ChargeStatus.CAPTURED,
        ChargeStatus.DECLINED,
        ChargeStatus.CANCELLED,
    ]
    assert book.find(["order-1"])[0].refunded_minor == 300


def test_a_last_line_torn_at_any_byte_is_cut_off_and_nothing_else(file: Path) -> None:
    whole = file.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole)):
        file.write_bytes(whole[:size])
        assert read(file)[1] == 3
        assert file.read_bytes() == whole[:last]


def test_writing_goes_on_after_a_torn_line(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with Ledger.open(file, Book().replay) as ledger:
        ledger.append(ENTRIES[3:])
    book, lines = read(file)
    assert (lines, book.find(["order-3"])[0].status) == (4, ChargeStatus.CANCELLED)


@pytest.mark.parametrize(
    "damage", [b"rubbish\n", b"\n", b'{"seq":7,"at":"2026-01-01T00:00:00Z"}\n', b"\xff\xfe\n", b""]
)
def test_damage_inside_the_ledger_refuses_to_open(file: Path, damage: bytes) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], damage, *lines[2:]]))
    with pytest.raises(LedgerCorrupt, match="line 2 is damaged"):
        read(file)


def test_a_refund_of_nothing_is_damage(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0].replace(b"order-1", b"order-9") + b"".join(lines[1:]))
    with pytest.raises(LedgerCorrupt, match="line 3 is damaged"):
        read(file)


def test_a_second_writer_is_turned_away(file: Path) -> None:
    with Ledger.open(file, Book().replay), pytest.raises(LedgerInUse, match="another process"):
        read(file)


def test_captures_are_counted_from_the_lines_so_a_double_charge_shows(file: Path) -> None:
    with Ledger.open(file, Book().replay) as ledger:
        ledger.append(ENTRIES[:1])
    assert read(file)[0].find(["order-1"])[0].captures == 2


def test_without_room_nothing_of_an_append_stays_and_the_next_one_succeeds() -> None:
    many: list[Entry] = [
        LedgerCharge(f"order-{n}", ChargeStatus.CAPTURED, 1, "USD", "card_ok")
        for n in range(10, 60)
    ]
    with mounted(64 * 1024) as disk:
        file = disk / "ledger.jsonl"
        with Ledger.open(file, Book().replay) as ledger:
            ledger.append(ENTRIES)
            whole = file.read_bytes()
            with filled(disk):
                with pytest.raises(OSError, match="No space left"):
                    ledger.append(many)
                assert file.read_bytes() == whole
                with pytest.raises(OSError, match="No space left"):
                    ledger.check()
            ledger.check()
            assert file.read_bytes() == whole
            ledger.append(many)
        assert read(file)[1] == len(ENTRIES) + len(many)


def test_what_could_not_be_written_is_as_if_it_had_never_been_asked(file: Path) -> None:
    book, lines = read(file)
    book.charge(ChargeRequest("order-4", 700, "USD", "card_ok"), None)
    book.charge(ChargeRequest("order-5", 700, "EUR", "card_expired"), "expired_card")
    book.refund(ProviderRefundRequest("refund-2", "order-4", 200))
    book.refund(ProviderRefundRequest("refund-3", "order-1", 100))
    book.cancel(CancelRequest("order-6"))
    book.take_back(book.take_unwritten())
    assert book.page(lines, 0, 100) == read(file)[0].page(lines, 0, 100)
    assert book.refund(ProviderRefundRequest("refund-3", "order-1", 700))[1]
