--

\restrict snapshot


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


CREATE FUNCTION public.put_into_outbox() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
    INSERT INTO outbox (events)
    WITH change AS (
        SELECT sku, sum(on_hand_delta - reserved_delta) AS units, max(seq) AS last FROM told GROUP BY sku
    ), low AS MATERIALIZED (
        SELECT c.sku, c.last, s.available
        FROM change c JOIN products p USING (sku)
            CROSS JOIN LATERAL (SELECT sum(on_hand - reserved) AS available FROM stock WHERE stock.sku = c.sku) s
        WHERE c.units < 0 AND s.available <= p.low_stock_threshold AND s.available - c.units > p.low_stock_threshold
    ), named AS (
        SELECT m.*, low.available, CASE
            WHEN low.sku IS NOT NULL THEN 'inventory.low_stock'
            WHEN m.on_hand_delta > m.reserved_delta THEN 'inventory.restocked'
            WHEN m.on_hand_delta <> 0 THEN 'inventory.updated' END AS name
        FROM told m LEFT JOIN low ON low.sku = m.sku AND low.last = m.seq
    )
    SELECT json_agg(json_build_array(name, sku || '/' || warehouse_id, seq, occurred_at, trace_id, json_build_object(
        'productId', sku, 'warehouseId', warehouse_id, 'kind', kind, 'onHand', on_hand_after, 'reserved', reserved_after,
        'availableInAll', available, 'orderId', order_id)) ORDER BY seq)
    FROM named WHERE name IS NOT NULL HAVING count(*) > 0;
    RETURN NULL;
END $$;

SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.dead_letters (
    id bigint NOT NULL,
    consumer text NOT NULL,
    event json NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamp with time zone DEFAULT now() NOT NULL,
    replayed_at timestamp with time zone
);


ALTER TABLE public.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


CREATE TABLE public.inbox (
    consumer text NOT NULL,
    message_id text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);


CREATE TABLE public.products (
    sku text NOT NULL,
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    active boolean DEFAULT true NOT NULL,
    low_stock_threshold integer DEFAULT 0 NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT products_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT products_low_stock_threshold_check CHECK ((low_stock_threshold >= 0)),
    CONSTRAINT products_price_minor_check CHECK ((price_minor >= 0)),
    CONSTRAINT products_sku_check CHECK ((sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'::text))
);


CREATE TABLE public.stock (
    sku text NOT NULL,
    warehouse_id text NOT NULL,
    on_hand bigint DEFAULT 0 NOT NULL,
    reserved bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    CONSTRAINT stock_check CHECK ((reserved <= on_hand)),
    CONSTRAINT stock_on_hand_check CHECK ((on_hand >= 0)),
    CONSTRAINT stock_reserved_check CHECK ((reserved >= 0))
)
WITH (fillfactor='50');


CREATE TABLE public.warehouses (
    id text NOT NULL,
    name text NOT NULL,
    priority integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT warehouses_id_check CHECK ((id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'::text))
);


CREATE VIEW public.inventory AS
 SELECT p.sku,
    p.name,
    p.active,
    p.low_stock_threshold,
    s.on_hand,
    s.reserved,
    (s.on_hand - s.reserved) AS available,
    (p.active AND ((s.on_hand - s.reserved) <= p.low_stock_threshold)) AS low_stock,
    s.warehouses
   FROM (public.products p
     CROSS JOIN LATERAL ( SELECT (COALESCE(sum(s_1.on_hand), (0)::numeric))::bigint AS on_hand,
            (COALESCE(sum(s_1.reserved), (0)::numeric))::bigint AS reserved,
            COALESCE(json_agg(json_build_object('warehouseId', w.id, 'onHand', s_1.on_hand, 'reserved', s_1.reserved, 'available', (s_1.on_hand - s_1.reserved)) ORDER BY w.priority, w.id), '[]'::json) AS warehouses
           FROM (public.stock s_1
             JOIN public.warehouses w ON ((w.id = s_1.warehouse_id)))
          WHERE (s_1.sku = p.sku)) s);


CREATE TABLE public.keyed_changes (
    lookup_key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


CREATE TABLE public.movements (
    sku text NOT NULL,
    warehouse_id text NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    on_hand_delta bigint NOT NULL,
    reserved_delta bigint NOT NULL,
    on_hand_after bigint NOT NULL,
    reserved_after bigint NOT NULL,
    order_id text,
    idempotency_key text,
    reason text,
    actor text NOT NULL,
    trace_id text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    CONSTRAINT movements_kind_check CHECK ((kind = ANY (ARRAY['receive'::text, 'adjust'::text, 'update'::text, 'reserve'::text, 'release'::text, 'commit'::text])))
);


CREATE TABLE public.outbox (
    id bigint NOT NULL,
    events json NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');


ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


CREATE TABLE public.reservations (
    order_id text NOT NULL,
    state text NOT NULL,
    lines jsonb NOT NULL,
    products jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reservations_state_check CHECK ((state = ANY (ARRAY['reserved'::text, 'released'::text, 'committed'::text])))
)
WITH (fillfactor='80');


CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


COPY public.dead_letters (id, consumer, event, error, attempts, failed_at, replayed_at) FROM stdin;
\.


COPY public.inbox (consumer, message_id, received_at) FROM stdin;
inventory	orders-10	2026-11-29 18:12:03.66866+00
inventory	orders-8	2026-11-29 18:12:03.66866+00
inventory	orders-12	2026-11-29 18:12:03.802305+00
inventory	orders-14	2026-11-29 18:12:03.802305+00
inventory	orders-21	2026-11-29 18:12:04.037049+00
inventory	orders-31	2026-11-29 18:12:04.309068+00
inventory	orders-35	2026-11-29 18:12:04.439575+00
inventory	orders-37	2026-11-29 18:12:10.016459+00
\.


COPY public.keyed_changes (lookup_key, fingerprint, answer, created_at) FROM stdin;
\\x461e3dd700922d017ef167e518d3d10ebfebd45f4f4925d190116c63c0774fd3	\\xbe929ed6bd5734589d8b76d46d119be0fb005fad785d085c3d5f56e9bb5ba6d4	{"seq": 2, "onHand": 1050, "reserved": 0, "available": 1050, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}	2026-11-29 18:12:02.643908+00
\\xe1f7b2bb3b6266e9bfefecc26aa9b340a5d06950973e2bbff0c56f3944c41f31	\\xc557c8cf27bbea268a214111b3fb9347e86a3db395765cecebf5ebaed02a1cfb	{"success": true, "newStock": 1047, "previousStock": 1050}	2026-11-29 18:12:02.699485+00
\.


COPY public.movements (sku, warehouse_id, seq, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after, order_id, idempotency_key, reason, actor, trace_id, occurred_at) FROM stdin;
PROD-001	WH-EAST	1	receive	60	0	60	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.283904+00
PROD-001	WH-WEST	1	receive	40	0	40	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.283904+00
PROD-002	WH-EAST	1	receive	45	0	45	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.298286+00
PROD-002	WH-WEST	1	receive	30	0	30	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.298286+00
PROD-003	WH-EAST	1	receive	25	0	25	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.307674+00
PROD-003	WH-WEST	1	receive	15	0	15	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.307674+00
PROD-004	WH-EAST	1	receive	12	0	12	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.309349+00
PROD-004	WH-WEST	1	receive	8	0	8	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.309349+00
PROD-005	WH-EAST	1	receive	80	0	80	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.313487+00
PROD-005	WH-WEST	1	receive	70	0	70	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.313487+00
PROD-006	WH-EAST	1	receive	18	0	18	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.317851+00
PROD-006	WH-WEST	1	receive	4	0	4	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.317851+00
PROD-007	WH-EAST	1	receive	250	0	250	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.323126+00
PROD-007	WH-WEST	1	receive	180	0	180	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.323126+00
PROD-008	WH-EAST	1	receive	120	0	120	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.326214+00
PROD-008	WH-WEST	1	receive	95	0	95	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.326214+00
PROD-009	WH-EAST	1	receive	90	0	90	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.327444+00
PROD-009	WH-WEST	1	receive	60	0	60	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.327444+00
PROD-010	WH-EAST	1	receive	75	0	75	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.33034+00
PROD-010	WH-WEST	1	receive	55	0	55	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.33034+00
PROD-011	WH-EAST	1	receive	30	0	30	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.332536+00
PROD-011	WH-WEST	1	receive	26	0	26	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.332536+00
PROD-012	WH-EAST	1	receive	3	0	3	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.337713+00
PROD-012	WH-WEST	1	receive	2	0	2	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.337713+00
PROD-013	WH-EAST	1	receive	64	0	64	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.34196+00
PROD-013	WH-WEST	1	receive	48	0	48	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.34196+00
PROD-014	WH-EAST	1	receive	40	0	40	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.345858+00
PROD-014	WH-WEST	1	receive	22	0	22	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.345858+00
PROD-015	WH-EAST	1	receive	110	0	110	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.349704+00
PROD-015	WH-WEST	1	receive	130	0	130	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.349704+00
PROD-016	WH-WEST	1	receive	9	0	9	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.351168+00
PROD-017	WH-EAST	1	receive	140	0	140	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.352299+00
PROD-017	WH-WEST	1	receive	160	0	160	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.352299+00
PROD-018	WH-EAST	1	receive	300	0	300	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.354945+00
PROD-018	WH-WEST	1	receive	220	0	220	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.354945+00
PROD-019	WH-EAST	1	receive	55	0	55	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.357765+00
PROD-019	WH-WEST	1	receive	35	0	35	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.357765+00
PROD-020	WH-EAST	1	receive	85	0	85	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.358992+00
PROD-020	WH-WEST	1	receive	65	0	65	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.358992+00
PROD-021	WH-EAST	1	receive	20	0	20	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.364514+00
PROD-021	WH-WEST	1	receive	16	0	16	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.364514+00
PROD-022	WH-EAST	1	receive	6	0	6	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.369261+00
PROD-022	WH-WEST	1	receive	5	0	5	0	\N	\N	initial stock	demo		2026-11-29 18:11:56.369261+00
OLD-PLENTY	WH-EAST	1	receive	1000	0	1000	0	\N	\N	initial stock	01a22881-aad9-75ef-b419-e1701719eb8a	9e49deb1d521ff15be2ebbbf92c6d981	2026-11-29 18:12:02.570051+00
OLD-FEW	WH-EAST	1	receive	2	0	2	0	\N	\N	initial stock	01a22881-aad9-75ef-b419-e1701719eb8a	50e06fbdb87c9cf5b711b99af455a33b	2026-11-29 18:12:02.597732+00
OLD-FREE	WH-EAST	1	receive	10	0	10	0	\N	\N	initial stock	01a22881-aad9-75ef-b419-e1701719eb8a	ee09ec300c668e595128f421284920a9	2026-11-29 18:12:02.622707+00
OLD-PLENTY	WH-EAST	2	adjust	50	0	1050	0	\N	adjusted	received	01a22881-aad9-75ef-b419-e1701719eb8a	c00c0c7b9b9c72d89eefeb31bb115499	2026-11-29 18:12:02.662856+00
OLD-PLENTY	WH-EAST	3	update	-3	0	1047	0	\N	taken	\N	01a22881-aad9-75ef-b419-e1701719eb8a	b20044549a3579c5c02f1ea3c22f8a9f	2026-11-29 18:12:02.70167+00
OLD-PLENTY	WH-EAST	4	reserve	0	2	1047	2	by-hand	\N	\N	01a22881-aad9-75ef-b419-e1701719eb8a	1b03b7d8830b88a658af446ebd67c1ac	2026-11-29 18:12:02.768663+00
OLD-PLENTY	WH-EAST	5	reserve	0	2	1047	4	01a22881-c585-74ad-8d07-e762989741eb	\N	\N	valerix:orders	f0e0a23808d8928ec5395e08b0fbb67b	2026-11-29 18:12:03.112846+00
PROD-007	WH-EAST	2	reserve	0	1	250	1	01a22881-c585-74ad-8d07-e762989741eb	\N	\N	valerix:orders	f0e0a23808d8928ec5395e08b0fbb67b	2026-11-29 18:12:03.112846+00
OLD-PLENTY	WH-EAST	6	reserve	0	1	1047	5	01a22881-c717-768b-b456-ae366c128530	\N	\N	valerix:orders	f10f8c6ac26333691b7a3686575927cb	2026-11-29 18:12:03.494078+00
OLD-FREE	WH-EAST	2	reserve	0	1	10	1	01a22881-c74f-7141-9762-917563030993	\N	\N	valerix:orders	998f7b54358da478678bcb04dc5ba059	2026-11-29 18:12:03.540267+00
OLD-PLENTY	WH-EAST	7	reserve	0	1	1047	6	01a22881-c76a-70a2-a1a8-104e83d90c62	\N	\N	valerix:orders	9e4c75b33feefa9c32a28a014d5dae6c	2026-11-29 18:12:03.564139+00
OLD-PLENTY	WH-EAST	8	release	0	-1	1047	5	01a22881-c76a-70a2-a1a8-104e83d90c62	\N	\N	valerix:orders	9e4c75b33feefa9c32a28a014d5dae6c	2026-11-29 18:12:03.59857+00
OLD-PLENTY	WH-EAST	9	reserve	0	1	1047	6	01a22881-c84f-76a7-8522-a84fe9ef3bc2	\N	\N	valerix:orders	6f6380f99e733f9145da4aa7db9a9aa4	2026-11-29 18:12:03.793164+00
OLD-PLENTY	WH-EAST	10	release	0	-1	1047	5	01a22881-c84f-76a7-8522-a84fe9ef3bc2	\N	\N	valerix:orders	5558245a4af217aef38e218c73087d6b	2026-11-29 18:12:03.874844+00
OLD-PLENTY	WH-EAST	11	reserve	0	1	1047	6	01a22881-c8dc-740e-af7b-b73c511f986d	\N	\N	valerix:orders	425417ea7823d5a453fa77e5c7ecd848	2026-11-29 18:12:03.935549+00
OLD-PLENTY	WH-EAST	12	reserve	0	1	1047	7	01a22881-c957-70b2-ac66-9214f8dd05f8	\N	\N	valerix:orders	b2bd91c3aa072820bb231e825382c374	2026-11-29 18:12:04.057301+00
OLD-PLENTY	WH-EAST	13	reserve	0	1	1047	8	01a22881-c9cf-7056-8ada-b3e6ec8afa63	\N	\N	valerix:orders	d9a9438af98f70d69e25620731ca9fb5	2026-11-29 18:12:04.193802+00
OLD-PLENTY	WH-EAST	14	commit	-1	-1	1046	7	01a22881-c9cf-7056-8ada-b3e6ec8afa63	\N	\N	valerix:orders	a7d6ce77fbf751cb7830941719ef7404	2026-11-29 18:12:04.254029+00
OLD-PLENTY	WH-EAST	15	reserve	0	1	1046	8	01a22881-ca3d-71e4-a912-7b024060bba0	\N	\N	valerix:orders	635ef025fff25fc3859bf17f440caa74	2026-11-29 18:12:04.28869+00
OLD-PLENTY	WH-EAST	16	commit	-1	-1	1045	7	01a22881-ca3d-71e4-a912-7b024060bba0	\N	\N	valerix:orders	c047658c678d70e34affe0b7892151a8	2026-11-29 18:12:04.377723+00
OLD-PLENTY	WH-EAST	17	commit	-1	-1	1044	6	01a22881-c8dc-740e-af7b-b73c511f986d	\N	\N	valerix:orders	4fdd9cd0767e6ffeaa47524ff14dd5a5	2026-11-29 18:12:09.970052+00
OLD-PLENTY	WH-EAST	18	reserve	0	1	1044	7	01a22881-e573-7455-a7e1-4ee7bb03ccac	\N	\N	valerix:orders	7aecf99666d0b2dd4f25236abc446ce4	2026-11-29 18:12:11.254795+00
OLD-PLENTY	WH-EAST	19	reserve	0	1	1044	8	01a22881-e606-7607-af9b-0af322e0c0c3	\N	\N	valerix:orders	2515581154e5bcb776feae5c9a7427b6	2026-11-29 18:12:11.403897+00
OLD-PLENTY	WH-EAST	20	reserve	0	1	1044	9	01a22881-e632-77ee-9ab4-f625567a5452	\N	\N	valerix:orders	88f98cd57418d82ded67ce0c9c73f1f2	2026-11-29 18:12:11.446195+00
OLD-PLENTY	WH-EAST	21	reserve	0	1	1044	10	01a22881-e6c8-75a0-b756-9129d711cf46	\N	\N	valerix:orders	7c8f5eb7620a14a76120780998ca69f3	2026-11-29 18:12:11.594566+00
OLD-PLENTY	WH-EAST	22	reserve	0	1	1044	11	01a22882-1443-726b-8b1b-b9ab5a48fdcd	\N	\N	valerix:orders	bc40689da2ccd4bf0b2a73b5cf2422d6	2026-11-29 18:12:23.26047+00
OLD-PLENTY	WH-EAST	23	reserve	0	1	1044	12	01a22882-1c66-7601-b242-5f552b9868cd	\N	\N	valerix:orders	f52b33d751c9e59af301c2e935b14312	2026-11-29 18:12:25.348755+00
OLD-PLENTY	WH-EAST	24	reserve	0	1	1044	13	01a22882-25b9-72c6-b225-96934ece084a	\N	\N	valerix:orders	807222528ca11b64506e33518169d191	2026-11-29 18:12:27.730863+00
OLD-PLENTY	WH-EAST	25	reserve	0	1	1044	14	01a22882-32a6-770a-ae99-94b94f8566b7	\N	\N	valerix:orders	c77bf91d0bd3b6c0d5e3ba458ad0bf2f	2026-11-29 18:12:31.036007+00
OLD-PLENTY	WH-EAST	26	reserve	0	1	1044	15	01a22882-5c7a-70e5-b22a-494dcd369e6d	\N	\N	valerix:orders	79fc4224d8a430bdf0cbe2c9950ebf7d	2026-11-29 18:12:41.744593+00
OLD-PLENTY	WH-EAST	27	reserve	0	1	1044	16	01a22882-5cad-76b6-97d6-959bd0b10fd0	\N	\N	valerix:orders	864477539b4c2acf6b730db94a73396f	2026-11-29 18:12:41.775427+00
OLD-PLENTY	WH-EAST	28	reserve	0	1	1044	17	01a22882-5cf2-74cd-8469-acf98119913b	\N	\N	valerix:orders	e1494aa5f3eac0451d13102b8e45834e	2026-11-29 18:12:41.84599+00
OLD-PLENTY	WH-EAST	29	reserve	0	1	1044	18	01a22882-5d0d-75f4-a9ab-b4f345fc2a0e	\N	\N	valerix:orders	3586a19cde69baf3bd6d288afe70c6b7	2026-11-29 18:12:41.871678+00
OLD-PLENTY	WH-EAST	30	reserve	0	1	1044	19	01a22882-5d64-75c7-a857-de173230c976	\N	\N	valerix:orders	79fea340a3b249e1f002133443ea1b38	2026-11-29 18:12:41.959345+00
OLD-PLENTY	WH-EAST	31	reserve	0	1	1044	20	01a22882-74ff-70fe-b0cc-0540dc5262ea	\N	\N	valerix:orders	ceedd092c3f36ec19191b19fcd710091	2026-11-29 18:12:48.026477+00
OLD-PLENTY	WH-EAST	32	release	0	-1	1044	19	01a22882-5cf2-74cd-8469-acf98119913b	\N	\N	valerix:orders	4d98af33ac435920cdee3e959d03d3bf	2026-11-29 18:12:49.930591+00
OLD-PLENTY	WH-EAST	33	release	0	-1	1044	18	01a22882-5d0d-75f4-a9ab-b4f345fc2a0e	\N	\N	valerix:orders	5696e46fa2a11ff3a889c33dd063c1b5	2026-11-29 18:12:50.34991+00
OLD-PLENTY	WH-EAST	34	reserve	0	1	1044	19	01a22882-8023-769a-a221-ee70d80c0dec	\N	\N	valerix:orders	c4c51f7f46d8be1db272c8d536e4591c	2026-11-29 18:12:50.859026+00
OLD-FEW	WH-EAST	2	adjust	10	0	12	0	\N	\N	delivery	01a22881-aad9-75ef-b419-e1701719eb8a	19b5b3e73de05bce4c480f8994b1ef88	2026-11-29 18:12:51.986359+00
\.


COPY public.outbox (id, events) FROM stdin;
\.


COPY public.products (sku, name, description, price_minor, currency, active, low_stock_threshold, version, created_at, updated_at) FROM stdin;
PROD-001	Dell XPS 15	15.6-inch laptop, 32 GB, 1 TB SSD	129900	USD	t	10	1	2026-11-29 18:11:56.268162+00	2026-11-29 18:11:56.268162+00
PROD-002	Apple MacBook Air 13	13.6-inch laptop, 16 GB, 512 GB SSD	109900	USD	t	10	1	2026-11-29 18:11:56.293156+00	2026-11-29 18:11:56.293156+00
PROD-003	Lenovo ThinkPad X1 Carbon	14-inch business laptop, 32 GB, 1 TB SSD	164900	USD	t	8	1	2026-11-29 18:11:56.302103+00	2026-11-29 18:11:56.302103+00
PROD-004	Framework Laptop 13	13.5-inch repairable laptop, 16 GB, 512 GB SSD	104900	USD	t	5	1	2026-11-29 18:11:56.308383+00	2026-11-29 18:11:56.308383+00
PROD-005	Dell UltraSharp U2724D	27-inch QHD monitor, 120 Hz, IPS Black	37900	USD	t	20	1	2026-11-29 18:11:56.309979+00	2026-11-29 18:11:56.309979+00
PROD-006	LG UltraGear 34GP83A	34-inch curved gaming monitor, 144 Hz	79900	USD	t	10	1	2026-11-29 18:11:56.314236+00	2026-11-29 18:11:56.314236+00
PROD-007	Logitech MX Master 3S	Wireless mouse, 8000 dpi, quiet clicks	9900	USD	t	50	1	2026-11-29 18:11:56.32214+00	2026-11-29 18:11:56.32214+00
PROD-008	Keychron K2 Pro	Wireless mechanical keyboard, 75 %, hot-swappable	10900	USD	t	30	1	2026-11-29 18:11:56.323632+00	2026-11-29 18:11:56.323632+00
PROD-009	Apple Magic Keyboard	Wireless keyboard with Touch ID	12900	USD	t	25	1	2026-11-29 18:11:56.326664+00	2026-11-29 18:11:56.326664+00
PROD-010	Sony WH-1000XM5	Noise-cancelling over-ear headphones	39900	USD	t	20	1	2026-11-29 18:11:56.327852+00	2026-11-29 18:11:56.327852+00
PROD-011	Bose QuietComfort Ultra	Noise-cancelling over-ear headphones, spatial audio	42900	USD	t	15	1	2026-11-29 18:11:56.330877+00	2026-11-29 18:11:56.330877+00
PROD-012	Jabra Evolve2 65	Wireless headset with boom microphone	26900	USD	t	15	1	2026-11-29 18:11:56.332969+00	2026-11-29 18:11:56.332969+00
PROD-013	Logitech Brio 4K	4K webcam with privacy shutter	16900	USD	t	20	1	2026-11-29 18:11:56.340744+00	2026-11-29 18:11:56.340744+00
PROD-014	Elgato Stream Deck MK.2	15 programmable LCD keys	14900	USD	t	10	1	2026-11-29 18:11:56.342636+00	2026-11-29 18:11:56.342636+00
PROD-015	Anker 737 Power Bank	24 000 mAh, 140 W USB-C	14900	USD	t	40	1	2026-11-29 18:11:56.346599+00	2026-11-29 18:11:56.346599+00
PROD-016	CalDigit TS4	Thunderbolt 4 dock, 18 ports, 98 W	39900	USD	t	10	1	2026-11-29 18:11:56.350415+00	2026-11-29 18:11:56.350415+00
PROD-017	Samsung T7 Shield 2 TB	Portable SSD, 1050 MB/s, IP65	17900	USD	t	40	1	2026-11-29 18:11:56.351564+00	2026-11-29 18:11:56.351564+00
PROD-018	SanDisk Extreme Pro 256 GB	SDXC card, 200 MB/s	5900	USD	t	60	1	2026-11-29 18:11:56.352827+00	2026-11-29 18:11:56.352827+00
PROD-019	Ubiquiti UniFi U6 Pro	Wi-Fi 6 access point	15900	USD	t	15	1	2026-11-29 18:11:56.35568+00	2026-11-29 18:11:56.35568+00
PROD-020	Raspberry Pi 5 8 GB	Single-board computer, 2.4 GHz quad core	8000	USD	t	30	1	2026-11-29 18:11:56.358263+00	2026-11-29 18:11:56.358263+00
PROD-021	APC Back-UPS 1500	Uninterruptible power supply, 900 W	22900	USD	t	8	1	2026-11-29 18:11:56.363634+00	2026-11-29 18:11:56.363634+00
PROD-022	Herman Miller Embody	Ergonomic office chair	189500	USD	t	3	1	2026-11-29 18:11:56.365935+00	2026-11-29 18:11:56.365935+00
OLD-PLENTY	Test OLD-PLENTY		1250	USD	t	0	1	2026-11-29 18:12:02.500569+00	2026-11-29 18:12:02.500569+00
OLD-FEW	Test OLD-FEW		990	USD	t	0	1	2026-11-29 18:12:02.587915+00	2026-11-29 18:12:02.587915+00
OLD-FREE	Test OLD-FREE		0	USD	t	0	1	2026-11-29 18:12:02.609979+00	2026-11-29 18:12:02.609979+00
\.


COPY public.reservations (order_id, state, lines, products, created_at, updated_at) FROM stdin;
by-hand	reserved	[{"quantity": 2, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:02.767757+00	2026-11-29 18:12:02.767757+00
01a22881-c585-74ad-8d07-e762989741eb	reserved	[{"quantity": 2, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}, {"quantity": 1, "productId": "PROD-007", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}, {"name": "Logitech MX Master 3S", "currency": "USD", "productId": "PROD-007", "unitPriceMinor": 9900}]	2026-11-29 18:12:03.112486+00	2026-11-29 18:12:03.112486+00
01a22881-c717-768b-b456-ae366c128530	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:03.493801+00	2026-11-29 18:12:03.493801+00
01a22881-c74f-7141-9762-917563030993	reserved	[{"quantity": 1, "productId": "OLD-FREE", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-FREE", "currency": "USD", "productId": "OLD-FREE", "unitPriceMinor": 0}]	2026-11-29 18:12:03.539984+00	2026-11-29 18:12:03.539984+00
01a22881-c76a-70a2-a1a8-104e83d90c62	released	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:03.563859+00	2026-11-29 18:12:03.59857+00
01a22881-c7aa-7666-8cb9-fe0112862a92	released	[]	[]	2026-11-29 18:12:03.670592+00	2026-11-29 18:12:03.670592+00
01a22881-c7ce-7042-8393-9c5f68c6deef	released	[]	[]	2026-11-29 18:12:03.803401+00	2026-11-29 18:12:03.803401+00
01a22881-c7e5-71c9-9395-9673d799dd59	released	[]	[]	2026-11-29 18:12:03.803401+00	2026-11-29 18:12:03.803401+00
01a22881-c84f-76a7-8522-a84fe9ef3bc2	released	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:03.792786+00	2026-11-29 18:12:03.874844+00
01a22881-c957-70b2-ac66-9214f8dd05f8	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:04.057014+00	2026-11-29 18:12:04.057014+00
01a22881-c9cf-7056-8ada-b3e6ec8afa63	committed	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:04.193333+00	2026-11-29 18:12:04.254029+00
01a22881-ca3d-71e4-a912-7b024060bba0	committed	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:04.288339+00	2026-11-29 18:12:04.377723+00
01a22881-c8dc-740e-af7b-b73c511f986d	committed	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:03.935204+00	2026-11-29 18:12:09.970052+00
01a22881-e573-7455-a7e1-4ee7bb03ccac	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:11.25449+00	2026-11-29 18:12:11.25449+00
01a22881-e606-7607-af9b-0af322e0c0c3	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:11.403614+00	2026-11-29 18:12:11.403614+00
01a22881-e632-77ee-9ab4-f625567a5452	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:11.445915+00	2026-11-29 18:12:11.445915+00
01a22881-e6c8-75a0-b756-9129d711cf46	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:11.594273+00	2026-11-29 18:12:11.594273+00
01a22882-1443-726b-8b1b-b9ab5a48fdcd	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:23.260147+00	2026-11-29 18:12:23.260147+00
01a22882-1c66-7601-b242-5f552b9868cd	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:25.348455+00	2026-11-29 18:12:25.348455+00
01a22882-25b9-72c6-b225-96934ece084a	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:27.730549+00	2026-11-29 18:12:27.730549+00
01a22882-32a6-770a-ae99-94b94f8566b7	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:31.035731+00	2026-11-29 18:12:31.035731+00
01a22882-5c7a-70e5-b22a-494dcd369e6d	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:41.744285+00	2026-11-29 18:12:41.744285+00
01a22882-5cad-76b6-97d6-959bd0b10fd0	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:41.775077+00	2026-11-29 18:12:41.775077+00
01a22882-5d64-75c7-a857-de173230c976	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:41.959045+00	2026-11-29 18:12:41.959045+00
01a22882-74ff-70fe-b0cc-0540dc5262ea	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:48.026178+00	2026-11-29 18:12:48.026178+00
01a22882-5cf2-74cd-8469-acf98119913b	released	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:41.8457+00	2026-11-29 18:12:49.930591+00
01a22882-5d0d-75f4-a9ab-b4f345fc2a0e	released	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:41.871401+00	2026-11-29 18:12:50.34991+00
01a22882-8023-769a-a221-ee70d80c0dec	reserved	[{"quantity": 1, "productId": "OLD-PLENTY", "warehouseId": "WH-EAST"}]	[{"name": "Test OLD-PLENTY", "currency": "USD", "productId": "OLD-PLENTY", "unitPriceMinor": 1250}]	2026-11-29 18:12:50.858696+00	2026-11-29 18:12:50.858696+00
\.


COPY public.schema_migrations (version, name, checksum, applied_at) FROM stdin;
1	0001_initial.sql	d564d8aef2daebdd163ec3799d754aeaedf66e4db3e343b23b88728423475189	2026-11-29 18:11:56.099612+00
2	0002_outbox.sql	ef100d77d553a454f6f744a89ae74355668087d234f4c926dd00094bcbdd1e3f	2026-11-29 18:11:56.140722+00
3	0003_inbox.sql	fdb925f469adef0450d2bcb4bedf2eccad0ff27f908aecbf7a46be321c1f4590	2026-11-29 18:11:56.158879+00
4	0004_outbox_in_one_pass.sql	c64d1c166dfedee644a46607e92bc6db945e108e58fc0f235bbd2a1e352f8fed	2026-11-29 18:11:56.172368+00
\.


COPY public.stock (sku, warehouse_id, on_hand, reserved, version) FROM stdin;
PROD-001	WH-EAST	60	0	1
PROD-001	WH-WEST	40	0	1
PROD-002	WH-EAST	45	0	1
PROD-002	WH-WEST	30	0	1
PROD-003	WH-EAST	25	0	1
PROD-003	WH-WEST	15	0	1
PROD-004	WH-EAST	12	0	1
PROD-004	WH-WEST	8	0	1
PROD-005	WH-EAST	80	0	1
PROD-005	WH-WEST	70	0	1
PROD-006	WH-EAST	18	0	1
PROD-006	WH-WEST	4	0	1
PROD-007	WH-WEST	180	0	1
PROD-008	WH-EAST	120	0	1
PROD-008	WH-WEST	95	0	1
PROD-009	WH-EAST	90	0	1
PROD-009	WH-WEST	60	0	1
PROD-010	WH-EAST	75	0	1
PROD-010	WH-WEST	55	0	1
PROD-011	WH-EAST	30	0	1
PROD-011	WH-WEST	26	0	1
PROD-012	WH-EAST	3	0	1
PROD-012	WH-WEST	2	0	1
PROD-013	WH-EAST	64	0	1
PROD-013	WH-WEST	48	0	1
PROD-014	WH-EAST	40	0	1
PROD-007	WH-EAST	250	1	2
PROD-014	WH-WEST	22	0	1
PROD-015	WH-EAST	110	0	1
PROD-015	WH-WEST	130	0	1
PROD-016	WH-WEST	9	0	1
PROD-017	WH-EAST	140	0	1
PROD-017	WH-WEST	160	0	1
PROD-018	WH-EAST	300	0	1
PROD-018	WH-WEST	220	0	1
PROD-019	WH-EAST	55	0	1
PROD-019	WH-WEST	35	0	1
PROD-020	WH-EAST	85	0	1
PROD-020	WH-WEST	65	0	1
PROD-021	WH-EAST	20	0	1
PROD-021	WH-WEST	16	0	1
PROD-022	WH-EAST	6	0	1
PROD-022	WH-WEST	5	0	1
OLD-FREE	WH-EAST	10	1	2
OLD-PLENTY	WH-EAST	1044	19	34
OLD-FEW	WH-EAST	12	0	2
\.


COPY public.warehouses (id, name, priority, created_at) FROM stdin;
WH-EAST	East Coast, Newark	1	2026-11-29 18:11:56.266291+00
WH-WEST	West Coast, Oakland	2	2026-11-29 18:11:56.26792+00
\.


SELECT pg_catalog.setval('public.dead_letters_id_seq', 1, false);


SELECT pg_catalog.setval('public.outbox_id_seq', 35, true);


ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (consumer, message_id);


ALTER TABLE ONLY public.keyed_changes
    ADD CONSTRAINT keyed_changes_pkey PRIMARY KEY (lookup_key);


ALTER TABLE ONLY public.movements
    ADD CONSTRAINT movements_pkey PRIMARY KEY (sku, warehouse_id, seq);


ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (sku);


ALTER TABLE ONLY public.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (order_id);


ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


ALTER TABLE ONLY public.stock
    ADD CONSTRAINT stock_pkey PRIMARY KEY (sku, warehouse_id);


ALTER TABLE ONLY public.warehouses
    ADD CONSTRAINT warehouses_pkey PRIMARY KEY (id);


CREATE UNIQUE INDEX movements_keyed ON public.movements USING btree (actor, kind, idempotency_key, sku, warehouse_id) WHERE (idempotency_key IS NOT NULL);


CREATE UNIQUE INDEX movements_order_step ON public.movements USING btree (order_id, sku, warehouse_id, kind) WHERE (kind = ANY (ARRAY['reserve'::text, 'release'::text, 'commit'::text]));


CREATE INDEX movements_timeline ON public.movements USING btree (sku, occurred_at, warehouse_id, seq);


CREATE TRIGGER put_into_outbox AFTER INSERT ON public.movements REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION public.put_into_outbox();


ALTER TABLE ONLY public.stock
    ADD CONSTRAINT stock_sku_fkey FOREIGN KEY (sku) REFERENCES public.products(sku);


ALTER TABLE ONLY public.stock
    ADD CONSTRAINT stock_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouses(id);


\unrestrict snapshot

RESET search_path;
        UPDATE inbox SET received_at = now();
