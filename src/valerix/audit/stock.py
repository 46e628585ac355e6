"""Stock: every unit is where its movements say, and promised to the order its reservation names."""

from typing import Final

from valerix.audit.snapshot import WAITING, AuditSnapshot, Finding, decide
from valerix.contracts import text
from valerix.contracts.states import OrderStatus, ReservationStatus, sql

_RESERVED: Final = sql(ReservationStatus.RESERVED)
_RELEASED: Final = sql(ReservationStatus.RELEASED)
_COMMITTED: Final = sql(ReservationStatus.COMMITTED)
_ABSENT: Final = sql(ReservationStatus.ABSENT)


def _unless_cancelling(unfit: str) -> str:
    """Return the condition, weakened for orders under cancellation: they have had a reservation."""
    return f"CASE WHEN o.cancel_reason IS NOT NULL THEN r.state IS NULL ELSE {unfit} END"


_UNFIT: Final = decide(
    "o",
    {
        OrderStatus.PENDING: f"""r.state = {_COMMITTED}
        OR o.error_code = 'insufficient_stock' AND o.cancel_reason IS NULL
           AND (r.state = {_RESERVED} OR r.state IS NULL AND o.on_shortage = 'backorder')""",
        OrderStatus.CONFIRMED: _unless_cancelling(f"r.state IS DISTINCT FROM {_RESERVED}"),
        OrderStatus.PROCESSING: _unless_cancelling(
            f"coalesce(r.state, {_RELEASED}) IN ({_RELEASED}, '{WAITING}')"
        ),
        OrderStatus.SHIPPED: f"r.state IS DISTINCT FROM {_COMMITTED}",
        OrderStatus.COMPLETED: f"r.state IS DISTINCT FROM {_COMMITTED}",
        OrderStatus.FAILED: f"r.state <> {_RELEASED}",
        OrderStatus.CANCELLED: f"r.state <> {_RELEASED}",
    },
)


async def movements_are_gap_free(snapshot: AuditSnapshot) -> Finding:
    """Check that each movement of a stock row continues the last one, in number and quantities."""
    return await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM movements",
        violations="""
        SELECT sku || '/' || warehouse_id || ' #' || seq AS subject,
               format('movement %s leaves %s on hand and %s reserved; '
                      'before it: #%s, %s, %s; it moves %s, %s',
                      seq, on_hand_after, reserved_after, last_seq, last_on_hand, last_reserved,
                      on_hand_delta, reserved_delta) AS what
        FROM (
            SELECT *, lag(seq, 1, 0::bigint) OVER shelf AS last_seq,
                   lag(on_hand_after, 1, 0::bigint) OVER shelf AS last_on_hand,
                   lag(reserved_after, 1, 0::bigint) OVER shelf AS last_reserved
            FROM movements WINDOW shelf AS (PARTITION BY sku, warehouse_id ORDER BY seq)
        ) m
        WHERE seq <> last_seq + 1 OR on_hand_after <> last_on_hand + on_hand_delta
           OR reserved_after <> last_reserved + reserved_delta
        """,
    )


async def stock_is_what_moved(snapshot: AuditSnapshot) -> Finding:
    """Check that each stock row is the sum of its movements.

    No quantity may be negative or promised twice.
    """
    return await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM stock",
        violations="""
        SELECT coalesce(s.sku, m.sku) || '/' || coalesce(s.warehouse_id, m.warehouse_id) AS subject,
               format('%s on hand, %s reserved, version %s; its movements say %s, %s, %s',
                      s.on_hand, s.reserved, s.version, m.on_hand, m.reserved, m.last) AS what
        FROM stock s FULL JOIN (
            SELECT sku, warehouse_id, sum(on_hand_delta) AS on_hand,
                   sum(reserved_delta) AS reserved, max(seq) AS last
            FROM movements GROUP BY sku, warehouse_id
        ) m ON m.sku = s.sku AND m.warehouse_id = s.warehouse_id
        WHERE s.sku IS NULL OR s.on_hand <> coalesce(m.on_hand, 0)
           OR s.reserved <> coalesce(m.reserved, 0) OR s.version <> coalesce(m.last, 0)
           OR s.reserved NOT BETWEEN 0 AND s.on_hand
        """,
    )


async def reserved_is_what_orders_hold(snapshot: AuditSnapshot) -> Finding:
    """Check that the reserved units of each stock row belong to orders.

    They are those of live reservations plus those set aside for waiting orders.
    """
    return await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM stock",
        violations=f"""
        SELECT coalesce(s.sku, r.sku) || '/' || coalesce(s.warehouse_id, r.warehouse_id) AS subject,
               format('%s reserved, orders hold %s', s.reserved, coalesce(r.held, 0)) AS what
        FROM stock s FULL JOIN (
            SELECT line ->> 'productId' AS sku, line ->> 'warehouseId' AS warehouse_id,
                   sum((line ->> 'quantity')::bigint) AS held
            FROM (
                SELECT lines FROM reservations WHERE state = {_RESERVED}
                UNION ALL SELECT set_aside FROM waiting_lines
            ) holding (lines) CROSS JOIN LATERAL jsonb_array_elements(lines) AS line
            GROUP BY 1, 2
        ) r ON r.sku = s.sku AND r.warehouse_id = s.warehouse_id
        WHERE coalesce(s.reserved, 0) <> coalesce(r.held, 0)
        """,
    )


async def goods_moved_once(snapshot: AuditSnapshot) -> Finding:
    """Check that the movements of each order add up to the state of its reservation.

    The units are reserved, taken, or neither. For a waiting order they add up to the units set
    aside for it.
    """
    return await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM reservations",
        violations=f"""
        SELECT coalesce(r.order_id, m.order_id) AS subject,
               format('the reservation of %s units is %s, its movements reserve %s and take %s',
                      r.units, r.state, m.reserved, m.on_hand) AS what
        FROM (
            SELECT order_id, state, coalesce(sum((line ->> 'quantity')::bigint), 0) AS units
            FROM reservations LEFT JOIN LATERAL jsonb_array_elements(lines) AS line ON true
            WHERE state <> {_ABSENT}
            GROUP BY order_id  -- the primary key, so state need not be grouped
            UNION ALL
            SELECT order_id, '{WAITING}', sum(quantity - missing)
            FROM waiting_lines GROUP BY order_id
        ) r FULL JOIN (
            SELECT order_id, sum(reserved_delta) AS reserved, sum(on_hand_delta) AS on_hand
            FROM movements
            WHERE kind IN ('reserve', 'release', 'commit', 'set_aside', 'give_up')
            GROUP BY order_id
        ) m ON m.order_id = r.order_id
        WHERE r.order_id IS NULL AND (m.reserved <> 0 OR m.on_hand <> 0)
           OR coalesce(m.reserved, 0) <>
              CASE WHEN r.state IN ({_RESERVED}, '{WAITING}') THEN r.units ELSE 0 END
           OR coalesce(m.on_hand, 0) <> CASE r.state WHEN {_COMMITTED} THEN -r.units ELSE 0 END
        """,
    )


async def waiting_orders_are_served_by_age(snapshot: AuditSnapshot) -> Finding:
    """Check that no units are available of a product that a waiting order lacks, and that no
    younger, incomplete order holds any.

    A product that was put on sale within two minutes is left out: a sweep assigns its units.
    """
    return await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM waiting_orders",
        violations="""
        SELECT l.order_id || ' ' || l.sku AS subject,
               format('lacks %s of %s; %s are available, younger orders hold %s',
                      l.missing, l.sku, a.units, y.units) AS what
        FROM waiting_lines l JOIN waiting_orders o USING (order_id) JOIN products p USING (sku)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(on_hand - reserved), 0) AS units FROM stock s WHERE s.sku = l.sku
        ) a CROSS JOIN LATERAL (
            SELECT coalesce(sum(h.quantity - h.missing), 0) AS units
            FROM waiting_lines h JOIN waiting_orders younger USING (order_id)
            WHERE h.sku = l.sku AND younger.missing > 0
              AND (younger.since, younger.order_id) > (o.since, o.order_id)
        ) y
        WHERE l.missing > 0 AND p.active AND p.updated_at < now() - interval '2 minutes'
          AND a.units + y.units > 0
        """,
    )


async def reservations_fit_their_orders(snapshot: AuditSnapshot) -> Finding:
    """Check that each reservation fits its order.

    A confirmed order has a reservation, and a shipped one has committed it. An order that ended, or
    does not exist, holds nothing and does not wait. A backorder has its place on the waiting list.
    Reservations made by hand for something that is no order id are left out.
    """
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM orders",
        violations=f"""
        SELECT coalesce(o.id::text, r.order_id) AS subject,
               format('the order is %s, its reservation %s', coalesce(o.status, 'not there'),
                      coalesce(r.state, 'is not there')) AS what
        FROM orders o FULL JOIN reservation_facts r ON r.order_id = o.id::text
        WHERE CASE
            WHEN o.id IS NULL THEN r.state <> {_RELEASED} AND r.order_id ~ '{text.UUID}'
            ELSE {_UNFIT}
        END
        """,
    )
