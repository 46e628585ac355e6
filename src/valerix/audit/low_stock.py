"""Derives low-stock events, which no history stores, from the movements.

The conditions are those of their trigger (inventory 0007).
"""

from typing import Final

LOW_STOCK: Final = """
    change AS (
        SELECT sku, occurred_at, sum(on_hand_delta - reserved_delta) AS units, max(seq) AS last
        FROM movements WHERE occurred_at >= $1 GROUP BY sku, occurred_at
    ), level AS (
        SELECT c.*, s.available - coalesce(sum(c.units) OVER later, 0) AS available
        FROM change c JOIN (
            SELECT sku, sum(on_hand - reserved) AS available FROM stock GROUP BY sku
        ) s USING (sku)
        WINDOW later AS (
            PARTITION BY c.sku ORDER BY c.occurred_at DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), low AS (
        SELECT m.*, l.available, (
            SELECT sum(least(s.brought, coalesce((
                SELECT max(b.seq) FROM movements b
                WHERE b.sku = s.sku AND b.warehouse_id = s.warehouse_id AND b.on_hand_delta > 0
                  AND b.occurred_at <= l.occurred_at
            ), 0))) FROM stock s WHERE s.sku = l.sku
        ) AS delivery
        FROM level l JOIN products p USING (sku)
            JOIN movements m ON m.sku = l.sku AND m.occurred_at = l.occurred_at AND m.seq = l.last
        WHERE l.occurred_at < $2 AND p.updated_at <= l.occurred_at AND l.units < 0
          AND l.available <= p.low_stock_threshold
          AND l.available - l.units > p.low_stock_threshold
    )
"""
"""Common table expressions, `low` the last.

It selects movements between $1 and $2 that took a product's available units over all warehouses to
its threshold, or below. Movements of one statement share one time, and their numbers rise with it.
The threshold is the current one, so products that were changed since are left out.
"""
