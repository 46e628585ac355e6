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
    AS $$
BEGIN
    INSERT INTO outbox (subjects, versions)
    SELECT array_agg(payment_id ORDER BY version), array_agg(version ORDER BY version) FROM told HAVING count(*) > 0;
    RETURN NULL;
END $$;

SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.outbox (
    id bigint NOT NULL,
    subjects uuid[] NOT NULL,
    versions integer[] NOT NULL
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


CREATE TABLE public.payment_events (
    payment_id uuid NOT NULL,
    version integer NOT NULL,
    type text NOT NULL,
    data json NOT NULL,
    trace_id text NOT NULL,
    occurred_at timestamp with time zone NOT NULL
);


CREATE TABLE public.payments (
    id uuid NOT NULL,
    order_id text NOT NULL,
    customer_id text,
    amount_minor bigint,
    currency text,
    method text,
    status text NOT NULL,
    reason text,
    provider_reference text NOT NULL,
    captured_minor bigint DEFAULT 0 NOT NULL,
    refunding_minor bigint DEFAULT 0 NOT NULL,
    refunded_minor bigint DEFAULT 0 NOT NULL,
    version integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT payments_check CHECK (((refunding_minor + refunded_minor) <= captured_minor)),
    CONSTRAINT payments_check1 CHECK (((captured_minor = 0) OR (captured_minor = amount_minor))),
    CONSTRAINT payments_check2 CHECK (((status = 'processing'::text) = (due_at IS NOT NULL))),
    CONSTRAINT payments_check3 CHECK (((status = 'voided'::text) OR (num_nulls(customer_id, amount_minor, currency, method) = 0))),
    CONSTRAINT payments_refunded_minor_check CHECK ((refunded_minor >= 0)),
    CONSTRAINT payments_refunding_minor_check CHECK ((refunding_minor >= 0)),
    CONSTRAINT payments_status_check CHECK ((status = ANY (ARRAY['processing'::text, 'captured'::text, 'declined'::text, 'voided'::text, 'partially_refunded'::text, 'refunded'::text])))
);


CREATE TABLE public.refunds (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    failure text,
    provider_reference text NOT NULL,
    idempotency_key bytea NOT NULL,
    fingerprint bytea NOT NULL,
    due_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT refunds_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT refunds_check CHECK (((status = 'pending'::text) = (due_at IS NOT NULL))),
    CONSTRAINT refunds_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text])))
);


CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


COPY public.outbox (id, subjects, versions) FROM stdin;
\.


COPY public.payment_events (payment_id, version, type, data, trace_id, occurred_at) FROM stdin;
01a22881-c5af-70bd-bbc9-1329c56b8217	1	payment.captured	{"id":"01a22881-c5af-70bd-bbc9-1329c56b8217","orderId":"01a22881-c585-74ad-8d07-e762989741eb","customerId":"CUST-001","amount":{"amountMinor":12400,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":12400,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c585-74ad-8d07-e762989741eb","version":1,"createdAt":"2026-11-29T18:12:03.119000Z","updatedAt":"2026-11-29T18:12:03.159182Z"}	f0e0a23808d8928ec5395e08b0fbb67b	2026-11-29 18:12:03.159182+00
01a22881-c727-7424-8daf-3bbd4bea3a1d	1	payment.captured	{"id":"01a22881-c727-7424-8daf-3bbd4bea3a1d","orderId":"01a22881-c717-768b-b456-ae366c128530","customerId":"CUST-002","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c717-768b-b456-ae366c128530","version":1,"createdAt":"2026-11-29T18:12:03.495000Z","updatedAt":"2026-11-29T18:12:03.500900Z"}	f10f8c6ac26333691b7a3686575927cb	2026-11-29 18:12:03.5009+00
01a22881-c772-72b0-95ac-74b30fffc8cb	1	payment.declined	{"id":"01a22881-c772-72b0-95ac-74b30fffc8cb","orderId":"01a22881-c76a-70a2-a1a8-104e83d90c62","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_declined","status":"declined","reason":"card_declined","captured":{"amountMinor":0,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c76a-70a2-a1a8-104e83d90c62","version":1,"createdAt":"2026-11-29T18:12:03.570000Z","updatedAt":"2026-11-29T18:12:03.579296Z"}	9e4c75b33feefa9c32a28a014d5dae6c	2026-11-29 18:12:03.579296+00
01a22881-c853-7036-b2fe-18fc44e14cbc	1	payment.captured	{"id":"01a22881-c853-7036-b2fe-18fc44e14cbc","orderId":"01a22881-c84f-76a7-8522-a84fe9ef3bc2","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c84f-76a7-8522-a84fe9ef3bc2","version":1,"createdAt":"2026-11-29T18:12:03.795000Z","updatedAt":"2026-11-29T18:12:03.802552Z"}	6f6380f99e733f9145da4aa7db9a9aa4	2026-11-29 18:12:03.802552+00
01a22881-c853-7036-b2fe-18fc44e14cbc	2	payment.refunded	{"id":"01a22881-c853-7036-b2fe-18fc44e14cbc","orderId":"01a22881-c84f-76a7-8522-a84fe9ef3bc2","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"refunded","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":1250,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c84f-76a7-8522-a84fe9ef3bc2","version":2,"createdAt":"2026-11-29T18:12:03.795000Z","updatedAt":"2026-11-29T18:12:03.900967Z"}	5558245a4af217aef38e218c73087d6b	2026-11-29 18:12:03.900967+00
01a22881-c8e0-7005-b899-f58cd76697c7	1	payment.captured	{"id":"01a22881-c8e0-7005-b899-f58cd76697c7","orderId":"01a22881-c8dc-740e-af7b-b73c511f986d","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c8dc-740e-af7b-b73c511f986d","version":1,"createdAt":"2026-11-29T18:12:03.936000Z","updatedAt":"2026-11-29T18:12:03.946965Z"}	425417ea7823d5a453fa77e5c7ecd848	2026-11-29 18:12:03.946965+00
01a22881-c95a-714c-874e-64a4e8f34396	1	payment.captured	{"id":"01a22881-c95a-714c-874e-64a4e8f34396","orderId":"01a22881-c957-70b2-ac66-9214f8dd05f8","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c957-70b2-ac66-9214f8dd05f8","version":1,"createdAt":"2026-11-29T18:12:04.058000Z","updatedAt":"2026-11-29T18:12:04.059988Z"}	b2bd91c3aa072820bb231e825382c374	2026-11-29 18:12:04.059988+00
01a22881-c9e9-72fc-8028-dc8b87aeefa2	1	payment.captured	{"id":"01a22881-c9e9-72fc-8028-dc8b87aeefa2","orderId":"01a22881-c9cf-7056-8ada-b3e6ec8afa63","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-c9cf-7056-8ada-b3e6ec8afa63","version":1,"createdAt":"2026-11-29T18:12:04.201000Z","updatedAt":"2026-11-29T18:12:04.202913Z"}	d9a9438af98f70d69e25620731ca9fb5	2026-11-29 18:12:04.202913+00
01a22881-ca4a-714b-8575-11a8ca8d5dcb	1	payment.captured	{"id":"01a22881-ca4a-714b-8575-11a8ca8d5dcb","orderId":"01a22881-ca3d-71e4-a912-7b024060bba0","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-ca3d-71e4-a912-7b024060bba0","version":1,"createdAt":"2026-11-29T18:12:04.298000Z","updatedAt":"2026-11-29T18:12:04.302831Z"}	635ef025fff25fc3859bf17f440caa74	2026-11-29 18:12:04.302831+00
01a22881-ca4a-714b-8575-11a8ca8d5dcb	2	payment.refunded	{"id":"01a22881-ca4a-714b-8575-11a8ca8d5dcb","orderId":"01a22881-ca3d-71e4-a912-7b024060bba0","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"partially_refunded","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":250,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-ca3d-71e4-a912-7b024060bba0","version":2,"createdAt":"2026-11-29T18:12:04.298000Z","updatedAt":"2026-11-29T18:12:04.594916Z"}	a54b63c6370c41347d4ceddbb0206e4a	2026-11-29 18:12:04.594916+00
01a22881-cbad-72ff-9b9e-f40ff799ed7e	1	payment.captured	{"id":"01a22881-cbad-72ff-9b9e-f40ff799ed7e","orderId":"01a22881-cb8e-71c0-909f-a95972eb0a25","customerId":"CUST-001","amount":{"amountMinor":700,"currency":"USD"},"method":"visa","status":"captured","reason":null,"captured":{"amountMinor":700,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-cb8e-71c0-909f-a95972eb0a25","version":1,"createdAt":"2026-11-29T18:12:04.653000Z","updatedAt":"2026-11-29T18:12:04.658251Z"}	76b3545d49d7683b61304ba7491ea4a0	2026-11-29 18:12:04.658251+00
01a22881-cbad-72ff-9b9e-f40ff799ed7e	2	payment.refunded	{"id":"01a22881-cbad-72ff-9b9e-f40ff799ed7e","orderId":"01a22881-cb8e-71c0-909f-a95972eb0a25","customerId":"CUST-001","amount":{"amountMinor":700,"currency":"USD"},"method":"visa","status":"refunded","reason":null,"captured":{"amountMinor":700,"currency":"USD"},"refunded":{"amountMinor":700,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-cb8e-71c0-909f-a95972eb0a25","version":2,"createdAt":"2026-11-29T18:12:04.653000Z","updatedAt":"2026-11-29T18:12:04.728772Z"}	882ee2c6aedf3bad22eca4ae04d67e15	2026-11-29 18:12:04.728772+00
01a22881-e577-7530-b830-b16d083e2d8e	1	payment.captured	{"id":"01a22881-e577-7530-b830-b16d083e2d8e","orderId":"01a22881-e573-7455-a7e1-4ee7bb03ccac","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-e573-7455-a7e1-4ee7bb03ccac","version":1,"createdAt":"2026-11-29T18:12:11.255000Z","updatedAt":"2026-11-29T18:12:11.257158Z"}	7aecf99666d0b2dd4f25236abc446ce4	2026-11-29 18:12:11.257158+00
01a22881-e577-7530-b830-b16d083e2d8e	2	payment.refunded	{"id":"01a22881-e577-7530-b830-b16d083e2d8e","orderId":"01a22881-e573-7455-a7e1-4ee7bb03ccac","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"partially_refunded","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":50,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-e573-7455-a7e1-4ee7bb03ccac","version":2,"createdAt":"2026-11-29T18:12:11.255000Z","updatedAt":"2026-11-29T18:12:11.380820Z"}	91397bf712db8936ff5ace52bf33171e	2026-11-29 18:12:11.38082+00
01a22881-e60d-753d-b2b0-2199e58655b7	1	payment.captured	{"id":"01a22881-e60d-753d-b2b0-2199e58655b7","orderId":"01a22881-e606-7607-af9b-0af322e0c0c3","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-e606-7607-af9b-0af322e0c0c3","version":1,"createdAt":"2026-11-29T18:12:11.405000Z","updatedAt":"2026-11-29T18:12:11.409189Z"}	2515581154e5bcb776feae5c9a7427b6	2026-11-29 18:12:11.409189+00
01a22881-e637-70c3-baaf-e147d8f4ded9	1	payment.captured	{"id":"01a22881-e637-70c3-baaf-e147d8f4ded9","orderId":"01a22881-e632-77ee-9ab4-f625567a5452","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22881-e632-77ee-9ab4-f625567a5452","version":1,"createdAt":"2026-11-29T18:12:11.447000Z","updatedAt":"2026-11-29T18:12:11.449341Z"}	88f98cd57418d82ded67ce0c9c73f1f2	2026-11-29 18:12:11.449341+00
01a22882-1c8c-7789-8ea1-20dfe91c53df	1	payment.captured	{"id":"01a22882-1c8c-7789-8ea1-20dfe91c53df","orderId":"01a22882-1c66-7601-b242-5f552b9868cd","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-1c66-7601-b242-5f552b9868cd","version":1,"createdAt":"2026-11-29T18:12:25.356000Z","updatedAt":"2026-11-29T18:12:25.359640Z"}	f52b33d751c9e59af301c2e935b14312	2026-11-29 18:12:25.35964+00
01a22882-25d6-77f4-acac-f1678888fca9	1	payment.captured	{"id":"01a22882-25d6-77f4-acac-f1678888fca9","orderId":"01a22882-25b9-72c6-b225-96934ece084a","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-25b9-72c6-b225-96934ece084a","version":1,"createdAt":"2026-11-29T18:12:27.734000Z","updatedAt":"2026-11-29T18:12:27.735847Z"}	807222528ca11b64506e33518169d191	2026-11-29 18:12:27.735847+00
01a22882-32be-76ac-b053-0206d5fa3670	1	payment.captured	{"id":"01a22882-32be-76ac-b053-0206d5fa3670","orderId":"01a22882-32a6-770a-ae99-94b94f8566b7","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-32a6-770a-ae99-94b94f8566b7","version":1,"createdAt":"2026-11-29T18:12:31.038000Z","updatedAt":"2026-11-29T18:12:31.039674Z"}	c77bf91d0bd3b6c0d5e3ba458ad0bf2f	2026-11-29 18:12:31.039674+00
01a22882-5c92-7722-a8c1-160ec4773eca	1	payment.captured	{"id":"01a22882-5c92-7722-a8c1-160ec4773eca","orderId":"01a22882-5c7a-70e5-b22a-494dcd369e6d","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-5c7a-70e5-b22a-494dcd369e6d","version":1,"createdAt":"2026-11-29T18:12:41.746000Z","updatedAt":"2026-11-29T18:12:41.748352Z"}	79fc4224d8a430bdf0cbe2c9950ebf7d	2026-11-29 18:12:41.748352+00
01a22882-5cb0-759e-81d9-f177ed58bb35	1	payment.captured	{"id":"01a22882-5cb0-759e-81d9-f177ed58bb35","orderId":"01a22882-5cad-76b6-97d6-959bd0b10fd0","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-5cad-76b6-97d6-959bd0b10fd0","version":1,"createdAt":"2026-11-29T18:12:41.776000Z","updatedAt":"2026-11-29T18:12:41.778041Z"}	864477539b4c2acf6b730db94a73396f	2026-11-29 18:12:41.778041+00
01a22882-5cf7-716c-84d7-721e6174ed6f	1	payment.captured	{"id":"01a22882-5cf7-716c-84d7-721e6174ed6f","orderId":"01a22882-5cf2-74cd-8469-acf98119913b","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-5cf2-74cd-8469-acf98119913b","version":1,"createdAt":"2026-11-29T18:12:41.847000Z","updatedAt":"2026-11-29T18:12:41.849347Z"}	e1494aa5f3eac0451d13102b8e45834e	2026-11-29 18:12:41.849347+00
01a22882-5d11-73ca-8272-e1162b9da8ff	1	payment.captured	{"id":"01a22882-5d11-73ca-8272-e1162b9da8ff","orderId":"01a22882-5d0d-75f4-a9ab-b4f345fc2a0e","customerId":"CUST-001","amount":{"amountMinor":1250,"currency":"USD"},"method":"card_ok","status":"captured","reason":null,"captured":{"amountMinor":1250,"currency":"USD"},"refunded":{"amountMinor":0,"currency":"USD"},"refundPending":{"amountMinor":0,"currency":"USD"},"providerReference":"order-01a22882-5d0d-75f4-a9ab-b4f345fc2a0e","version":1,"createdAt":"2026-11-29T18:12:41.873000Z","updatedAt":"2026-11-29T18:12:41.876206Z"}	3586a19cde69baf3bd6d288afe70c6b7	2026-11-29 18:12:41.876206+00
\.


COPY public.payments (id, order_id, customer_id, amount_minor, currency, method, status, reason, provider_reference, captured_minor, refunding_minor, refunded_minor, version, due_at, created_at, updated_at) FROM stdin;
01a22881-c5af-70bd-bbc9-1329c56b8217	01a22881-c585-74ad-8d07-e762989741eb	CUST-001	12400	USD	card_ok	captured	\N	order-01a22881-c585-74ad-8d07-e762989741eb	12400	0	0	1	\N	2026-11-29 18:12:03.119+00	2026-11-29 18:12:03.159182+00
01a22881-c727-7424-8daf-3bbd4bea3a1d	01a22881-c717-768b-b456-ae366c128530	CUST-002	1250	USD	card_ok	captured	\N	order-01a22881-c717-768b-b456-ae366c128530	1250	0	0	1	\N	2026-11-29 18:12:03.495+00	2026-11-29 18:12:03.5009+00
01a22881-c772-72b0-95ac-74b30fffc8cb	01a22881-c76a-70a2-a1a8-104e83d90c62	CUST-001	1250	USD	card_declined	declined	card_declined	order-01a22881-c76a-70a2-a1a8-104e83d90c62	0	0	0	1	\N	2026-11-29 18:12:03.57+00	2026-11-29 18:12:03.579296+00
01a22882-1c8c-7789-8ea1-20dfe91c53df	01a22882-1c66-7601-b242-5f552b9868cd	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-1c66-7601-b242-5f552b9868cd	1250	0	0	1	\N	2026-11-29 18:12:25.356+00	2026-11-29 18:12:25.35964+00
01a22881-c853-7036-b2fe-18fc44e14cbc	01a22881-c84f-76a7-8522-a84fe9ef3bc2	CUST-001	1250	USD	card_ok	refunded	\N	order-01a22881-c84f-76a7-8522-a84fe9ef3bc2	1250	0	1250	2	\N	2026-11-29 18:12:03.795+00	2026-11-29 18:12:03.900967+00
01a22881-c8e0-7005-b899-f58cd76697c7	01a22881-c8dc-740e-af7b-b73c511f986d	CUST-001	1250	USD	card_ok	captured	\N	order-01a22881-c8dc-740e-af7b-b73c511f986d	1250	0	0	1	\N	2026-11-29 18:12:03.936+00	2026-11-29 18:12:03.946965+00
01a22881-c95a-714c-874e-64a4e8f34396	01a22881-c957-70b2-ac66-9214f8dd05f8	CUST-001	1250	USD	card_ok	captured	\N	order-01a22881-c957-70b2-ac66-9214f8dd05f8	1250	0	0	1	\N	2026-11-29 18:12:04.058+00	2026-11-29 18:12:04.059988+00
01a22881-c9e9-72fc-8028-dc8b87aeefa2	01a22881-c9cf-7056-8ada-b3e6ec8afa63	CUST-001	1250	USD	card_ok	captured	\N	order-01a22881-c9cf-7056-8ada-b3e6ec8afa63	1250	0	0	1	\N	2026-11-29 18:12:04.201+00	2026-11-29 18:12:04.202913+00
01a22881-ca4a-714b-8575-11a8ca8d5dcb	01a22881-ca3d-71e4-a912-7b024060bba0	CUST-001	1250	USD	card_ok	partially_refunded	\N	order-01a22881-ca3d-71e4-a912-7b024060bba0	1250	0	250	2	\N	2026-11-29 18:12:04.298+00	2026-11-29 18:12:04.594916+00
01a22882-25d6-77f4-acac-f1678888fca9	01a22882-25b9-72c6-b225-96934ece084a	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-25b9-72c6-b225-96934ece084a	1250	0	0	1	\N	2026-11-29 18:12:27.734+00	2026-11-29 18:12:27.735847+00
01a22881-cbad-72ff-9b9e-f40ff799ed7e	01a22881-cb8e-71c0-909f-a95972eb0a25	CUST-001	700	USD	visa	refunded	\N	order-01a22881-cb8e-71c0-909f-a95972eb0a25	700	0	700	2	\N	2026-11-29 18:12:04.653+00	2026-11-29 18:12:04.728772+00
01a22881-e577-7530-b830-b16d083e2d8e	01a22881-e573-7455-a7e1-4ee7bb03ccac	CUST-001	1250	USD	card_ok	partially_refunded	\N	order-01a22881-e573-7455-a7e1-4ee7bb03ccac	1250	0	50	2	\N	2026-11-29 18:12:11.255+00	2026-11-29 18:12:11.38082+00
01a22881-e60d-753d-b2b0-2199e58655b7	01a22881-e606-7607-af9b-0af322e0c0c3	CUST-001	1250	USD	card_ok	captured	\N	order-01a22881-e606-7607-af9b-0af322e0c0c3	1250	0	0	1	\N	2026-11-29 18:12:11.405+00	2026-11-29 18:12:11.409189+00
01a22881-e637-70c3-baaf-e147d8f4ded9	01a22881-e632-77ee-9ab4-f625567a5452	CUST-001	1250	USD	card_ok	captured	\N	order-01a22881-e632-77ee-9ab4-f625567a5452	1250	0	0	1	\N	2026-11-29 18:12:11.447+00	2026-11-29 18:12:11.449341+00
01a22882-32be-76ac-b053-0206d5fa3670	01a22882-32a6-770a-ae99-94b94f8566b7	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-32a6-770a-ae99-94b94f8566b7	1250	0	0	1	\N	2026-11-29 18:12:31.038+00	2026-11-29 18:12:31.039674+00
01a22882-5c92-7722-a8c1-160ec4773eca	01a22882-5c7a-70e5-b22a-494dcd369e6d	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-5c7a-70e5-b22a-494dcd369e6d	1250	100	0	1	\N	2026-11-29 18:12:41.746+00	2026-11-29 18:12:41.748352+00
01a22882-5cf7-716c-84d7-721e6174ed6f	01a22882-5cf2-74cd-8469-acf98119913b	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-5cf2-74cd-8469-acf98119913b	1250	1250	0	1	\N	2026-11-29 18:12:41.847+00	2026-11-29 18:12:41.849347+00
01a22882-5cb0-759e-81d9-f177ed58bb35	01a22882-5cad-76b6-97d6-959bd0b10fd0	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-5cad-76b6-97d6-959bd0b10fd0	1250	100	0	1	\N	2026-11-29 18:12:41.776+00	2026-11-29 18:12:41.778041+00
01a22882-5d11-73ca-8272-e1162b9da8ff	01a22882-5d0d-75f4-a9ab-b4f345fc2a0e	CUST-001	1250	USD	card_ok	captured	\N	order-01a22882-5d0d-75f4-a9ab-b4f345fc2a0e	1250	1250	0	1	\N	2026-11-29 18:12:41.873+00	2026-11-29 18:12:41.876206+00
01a22882-751b-774d-a185-2120a972a78e	01a22882-74ff-70fe-b0cc-0540dc5262ea	CUST-001	1250	USD	card_ok	processing	\N	order-01a22882-74ff-70fe-b0cc-0540dc5262ea	0	0	0	0	2026-11-29 18:12:54.465144+00	2026-11-29 18:12:48.027+00	2026-11-29 18:12:48.027+00
01a22882-5d68-72e6-8d00-ca17e3c06a7b	01a22882-5d64-75c7-a857-de173230c976	CUST-001	1250	USD	card_ok	processing	\N	order-01a22882-5d64-75c7-a857-de173230c976	0	0	0	0	2026-11-29 18:12:54.465144+00	2026-11-29 18:12:41.96+00	2026-11-29 18:12:41.96+00
\.


COPY public.refunds (id, payment_id, amount_minor, reason, status, failure, provider_reference, idempotency_key, fingerprint, due_at, created_at, updated_at) FROM stdin;
01a22881-c8a9-77c7-9fc4-e5e82d8d39da	01a22881-c853-7036-b2fe-18fc44e14cbc	1250	Cancelled by the customer	succeeded	\N	refund-01a22881-c8a9-77c7-9fc4-e5e82d8d39da	\\x30316132323838312d633861392d373763372d396663342d653565383264386433396461	\\x	\N	2026-11-29 18:12:03.881+00	2026-11-29 18:12:03.900967+00
01a22881-cb60-7463-8e5f-10d1ac3bd10e	01a22881-ca4a-714b-8575-11a8ca8d5dcb	250	scratched	succeeded	\N	refund-01a22881-cb60-7463-8e5f-10d1ac3bd10e	\\xb85bc11723ad78c0239418405369c44e4bc077b48dde71167be6db3671f4f525	\\x065f5b5853a96e69893475e66f438a97e5814eade560cc91f5446ba1c429b820	\N	2026-11-29 18:12:04.576+00	2026-11-29 18:12:04.594916+00
01a22881-cbe6-74df-86e4-7bb1cab52286	01a22881-cbad-72ff-9b9e-f40ff799ed7e	700	by hand	succeeded	\N	refund-01a22881-cbe6-74df-86e4-7bb1cab52286	\\x70b085c96f35d9ec94cbb267c7bfed82bf56f304a6c655a3493e8a27ff05a1ad	\\x6916a33e2f8e706099f1a8021fea91fb565fa9ea4bc588b60a056670bb152e2c	\N	2026-11-29 18:12:04.71+00	2026-11-29 18:12:04.728772+00
01a22881-e5f2-7605-844e-278f8b7cf47e	01a22881-e577-7530-b830-b16d083e2d8e	50	not told yet	succeeded	\N	refund-01a22881-e5f2-7605-844e-278f8b7cf47e	\\x8d4da212d7280586ff498213f47fccd168ec791a20354973e37791ec9281e9f8	\\x858701d6cb72be3a6eeeb334246150697a2a6d2e221f87ce8ffb3828d0d850ff	\N	2026-11-29 18:12:11.378+00	2026-11-29 18:12:11.38082+00
01a22882-6d1a-70bb-9f0e-4fc1d4e8c5b6	01a22882-5cb0-759e-81d9-f177ed58bb35	100	late	pending	\N	refund-01a22882-6d1a-70bb-9f0e-4fc1d4e8c5b6	\\x034dd80aae94131d76051d781293490cd17b2547808aa5ad3172db97c83c9a4d	\\x84c85346eadbf7725b30a4d2e73b4439e02c522501f7ff70fb46e3fbc25e6838	2026-11-29 18:12:54.467018+00	2026-11-29 18:12:45.978+00	2026-11-29 18:12:45.978+00
01a22882-6500-779a-9bdb-117e738850f2	01a22882-5c92-7722-a8c1-160ec4773eca	100	late	pending	\N	refund-01a22882-6500-779a-9bdb-117e738850f2	\\x744892227f80c3ecd78a694c6d4c08c85ff4eba192b45482517c269ee71f63d5	\\x84c85346eadbf7725b30a4d2e73b4439e02c522501f7ff70fb46e3fbc25e6838	2026-11-29 18:12:54.467018+00	2026-11-29 18:12:43.904+00	2026-11-29 18:12:43.904+00
01a22882-7c8d-77e6-9bca-95eb9742ed8b	01a22882-5cf7-716c-84d7-721e6174ed6f	1250	Cancelled by the customer	pending	\N	refund-01a22882-7c8d-77e6-9bca-95eb9742ed8b	\\x30316132323838322d376338642d373765362d396263612d393565623937343265643862	\\x	2026-11-29 18:12:54.467018+00	2026-11-29 18:12:49.933+00	2026-11-29 18:12:49.933+00
01a22882-7e30-70ce-adc9-7968cd01d347	01a22882-5d11-73ca-8272-e1162b9da8ff	1250	Cancelled by the customer	pending	\N	refund-01a22882-7e30-70ce-adc9-7968cd01d347	\\x30316132323838322d376533302d373063652d616463392d373936386364303164333437	\\x	2026-11-29 18:12:54.467018+00	2026-11-29 18:12:50.352+00	2026-11-29 18:12:50.352+00
\.


COPY public.schema_migrations (version, name, checksum, applied_at) FROM stdin;
1	0001_initial.sql	c2ca9984051055debc3c61ff164948ed010fd522fd1682fc66200bdac45a968c	2026-11-29 18:11:56.113693+00
2	0002_outbox.sql	cc053b80be8f8e37e09a3dba05d2e34d40a94826854632175f051ce455df22c4	2026-11-29 18:11:56.161444+00
\.


SELECT pg_catalog.setval('public.outbox_id_seq', 23, true);


ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT payment_events_pkey PRIMARY KEY (payment_id, version);


ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_order_id_key UNIQUE (order_id);


ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.refunds
    ADD CONSTRAINT refunds_payment_id_idempotency_key_key UNIQUE (payment_id, idempotency_key);


ALTER TABLE ONLY public.refunds
    ADD CONSTRAINT refunds_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


CREATE INDEX payments_by_customer ON public.payments USING btree (customer_id, id);


CREATE INDEX payments_by_status ON public.payments USING btree (status, id) WHERE (status <> 'captured'::text);


CREATE INDEX refunds_due ON public.refunds USING btree (due_at) WHERE (due_at IS NOT NULL);


CREATE TRIGGER put_into_outbox AFTER INSERT ON public.payment_events REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION public.put_into_outbox();


ALTER TABLE ONLY public.refunds
    ADD CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES public.payments(id);


\unrestrict snapshot

RESET search_path;
