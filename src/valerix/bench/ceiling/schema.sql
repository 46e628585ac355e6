-- The minimum that an order stores durably: the order, a unit of stock and its movement, a payment, an event.
CREATE TABLE orders (
    id          uuid PRIMARY KEY,
    customer_id text NOT NULL,
    status      text NOT NULL,
    total       bigint NOT NULL,
    items       jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz
);
CREATE TABLE stock (
    product_id integer PRIMARY KEY,
    name       text NOT NULL,
    price      bigint NOT NULL,
    on_hand    integer NOT NULL CHECK (on_hand >= 0)
) WITH (fillfactor = 50);
CREATE TABLE movements (
    order_id    uuid NOT NULL,
    product_id  integer NOT NULL,
    delta       integer NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, product_id)
);
CREATE TABLE payments (
    id         uuid PRIMARY KEY,
    order_id   uuid NOT NULL UNIQUE,
    amount     bigint NOT NULL,
    status     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   uuid NOT NULL,
    type       text NOT NULL,
    payload    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO stock SELECT n, 'product ' || n, 1299, 1000000000 FROM generate_series(1, 1001) AS n;
