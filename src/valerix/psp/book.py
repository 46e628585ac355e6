"""The content of the ledger by reference, and the rules for additions to it.

No I/O: the caller of an addition must make it durable.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from valerix.contracts.states import ChargeStatus
from valerix.psp import domain
from valerix.psp.schemas import (
    CancelRequest,
    ChargeRequest,
    CurrencyTotals,
    LedgerCharge,
    LedgerLine,
    LedgerPage,
    LedgerRefund,
    ProviderRefundRequest,
)

Entry = LedgerCharge | LedgerRefund


class Book:
    """Charges and refunds in memory.

    Every decision sees the decisions before it, durable or not; `take_unwritten` hands over the
    entries that are not durable yet.
    """

    def __init__(self) -> None:
        self._charges: dict[str, LedgerCharge] = {}
        self._references: list[str] = []
        """References of the charges, in the order of their arrival."""
        self._refunds: dict[str, LedgerRefund] = {}
        self._unwritten: list[Entry] = []
        self._counts: Counter[ChargeStatus] = Counter()
        self._totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        """[captured, refunded] by currency."""

    def replay(self, line: LedgerLine) -> None:
        """Apply a line that is in the ledger already."""
        if line.charge is not None:
            self._apply(line.charge)
        if line.refund is not None:
            self._apply(line.refund)

    def take_unwritten(self) -> list[Entry]:
        """Hand over the entries that are not durable yet."""
        taken, self._unwritten = self._unwritten, []
        return taken

    def take_back(self, entries: Sequence[Entry]) -> None:
        """Remove the latest entries, because they could not be made durable."""
        for entry in reversed(entries):
            if isinstance(entry, LedgerRefund):
                del self._refunds[entry.reference]
                self._refunded(entry.charge_reference, -entry.amount_minor)
            else:
                del self._charges[self._references.pop()]
                self._counts[entry.status] -= 1
                if entry.status is ChargeStatus.CAPTURED:
                    self._totals[entry.currency][0] -= entry.amount_minor

    def charge(
        self, request: ChargeRequest, decline_reason: str | None
    ) -> tuple[LedgerCharge, bool]:
        """Return the charge of this reference, and whether this call made it. Raises
        ReferenceReused.
        """
        known = self._charges.get(request.reference)
        if known is None:
            return self._add_charge(request, decline_reason), True
        sent = (request.amount_minor, request.currency, request.method)
        if known.status is not ChargeStatus.CANCELLED and sent != (
            known.amount_minor,
            known.currency,
            known.method,
        ):
            raise domain.ReferenceReused
        return known, False

    def cancel(self, request: CancelRequest) -> LedgerCharge:
        """Forbid a charge forever, unless it has been made: then return that charge."""
        if request.reference not in self._charges:
            self._add(LedgerCharge(request.reference, ChargeStatus.CANCELLED))
        return self._charges[request.reference]

    def find(self, references: list[str]) -> list[LedgerCharge]:
        """Return the known charges among these references."""
        return [self._charges[reference] for reference in references if reference in self._charges]

    def refund(self, request: ProviderRefundRequest) -> tuple[LedgerRefund, bool]:
        """Return the refund of this reference, and whether this call made it.

        Raises ReferenceReused, ChargeNotFound, RefundExceedsCharge.
        """
        wanted = LedgerRefund(request.reference, request.charge_reference, request.amount_minor)
        known = self._refunds.get(request.reference)
        if known is not None:
            if known != wanted:
                raise domain.ReferenceReused
            return known, False
        charge = self._charges.get(request.charge_reference)
        if charge is None or charge.status is not ChargeStatus.CAPTURED:
            raise domain.ChargeNotFound
        left = charge.amount_minor - charge.refunded_minor
        if request.amount_minor > left:
            raise domain.RefundExceedsCharge(left)
        self._add(wanted)
        return wanted, True

    def page(self, lines: int, after: int, limit: int) -> LedgerPage:
        """Return up to `limit` charges after the first `after`.

        Charges are never removed, so pages never shift.
        """
        shown = self._references[after : after + limit]
        end = after + len(shown)
        return LedgerPage(
            lines=lines,
            captured=self._counts[ChargeStatus.CAPTURED],
            declined=self._counts[ChargeStatus.DECLINED],
            cancelled=self._counts[ChargeStatus.CANCELLED],
            refunds=len(self._refunds),
            totals=[CurrencyTotals(currency, *totals) for currency, totals in self._totals.items()],
            charges=self.find(shown),
            next=end if end < len(self._references) else None,
        )

    def _add_charge(self, request: ChargeRequest, reason: str | None) -> LedgerCharge:
        status = ChargeStatus.CAPTURED if reason is None else ChargeStatus.DECLINED
        self._add(
            LedgerCharge(
                request.reference,
                status,
                request.amount_minor,
                request.currency,
                request.method,
                reason,
            )
        )
        return self._charges[request.reference]

    def _add(self, entry: Entry) -> None:
        self._unwritten.append(entry)
        self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        if isinstance(entry, LedgerRefund):
            self._refunded(entry.charge_reference, entry.amount_minor)
            self._refunds[entry.reference] = entry
            return
        before = self._charges.get(entry.reference)
        if before is None:
            self._references.append(entry.reference)
        self._counts[entry.status] += 1
        if entry.status is ChargeStatus.CAPTURED:
            self._totals[entry.currency][0] += entry.amount_minor
            entry = msgspec.structs.replace(
                entry, captures=1 if before is None else before.captures + 1
            )
        self._charges[entry.reference] = entry

    def _refunded(self, reference: str, amount_minor: int) -> None:
        charge = self._charges[
            reference
        ]  # LookupError: only a damaged ledger refunds a missing charge
        refunded_minor = charge.refunded_minor + amount_minor
        self._charges[reference] = msgspec.structs.replace(charge, refunded_minor=refunded_minor)
        self._totals[charge.currency][1] += amount_minor
