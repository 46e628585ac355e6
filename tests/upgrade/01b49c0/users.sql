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
    SELECT array_agg(user_id ORDER BY version), array_agg(version ORDER BY version) FROM told HAVING count(*) > 0;
    RETURN NULL;
END $$;


CREATE FUNCTION public.refuse_to_forget() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.occurred_at < now() - interval '1 year' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;

SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.audit (
    id uuid NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    action text NOT NULL,
    actor text,
    subject text,
    session_id text,
    address text NOT NULL,
    user_agent text NOT NULL,
    details json NOT NULL,
    trace_id text NOT NULL
);


CREATE SEQUENCE public.customer_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


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


CREATE TABLE public.refresh_tokens (
    hash bytea NOT NULL,
    session_id uuid NOT NULL,
    used_at timestamp with time zone
);


CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    csrf text,
    user_agent text NOT NULL,
    address text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    revoked_for text,
    CONSTRAINT sessions_check CHECK (((csrf IS NOT NULL) = (kind = 'cookie'::text))),
    CONSTRAINT sessions_check1 CHECK (((revoked_at IS NULL) = (revoked_for IS NULL))),
    CONSTRAINT sessions_kind_check CHECK ((kind = ANY (ARRAY['token'::text, 'cookie'::text])))
);


CREATE TABLE public.user_events (
    user_id uuid NOT NULL,
    version integer NOT NULL,
    type text NOT NULL,
    data json NOT NULL,
    actor text NOT NULL,
    trace_id text NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL
);


CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    status text NOT NULL,
    customer_number text,
    password_hash text NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customers_have_a_number CHECK (((role <> 'customer'::text) OR (customer_number IS NOT NULL))),
    CONSTRAINT users_email_check CHECK ((email = lower(email))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['customer'::text, 'operator'::text, 'admin'::text]))),
    CONSTRAINT users_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))
);


COPY public.audit (id, occurred_at, action, actor, subject, session_id, address, user_agent, details, trace_id) FROM stdin;
01a22881-c2d1-741a-961e-ab115c7a2bae	2026-11-29 18:12:02.369745+00	login.succeeded	01a22881-aad9-75ef-b419-e1701719eb8a	01a22881-aad9-75ef-b419-e1701719eb8a	01a22881-c2c2-7447-8254-b1c179e2952a	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	c4d12702a9d05488ccf7cfaf6147efb6
01a22881-c563-76b2-a0d7-11103b854248	2026-11-29 18:12:03.038494+00	login.succeeded	01a22881-aade-727f-83db-14e4a10c49bf	01a22881-aade-727f-83db-14e4a10c49bf	01a22881-c55f-76af-a11b-7de16f60b0f7	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	615a98c2b7cec7ee2ee55eda5271a11b
01a22881-c704-77cf-943c-1814a6f8e145	2026-11-29 18:12:03.423501+00	login.succeeded	01a22881-aade-727f-83db-14e52e898188	01a22881-aade-727f-83db-14e52e898188	01a22881-c6e6-77f8-8181-7a850b795435	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	b5e99583985c8787aca33b118af0eb76
01a22881-d3b0-7008-b183-5024ddb0e5ff	2026-11-29 18:12:06.702494+00	login.succeeded	01a22881-aadf-7168-808d-f760d806c22e	01a22881-aadf-7168-808d-f760d806c22e	01a22881-d3af-7189-b278-c67048dd3e21	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	9ed81655f1d2b4d78b01d9ce8888875f
01a22881-d58e-7386-9a7a-c43f662ef5a2	2026-11-29 18:12:07.158752+00	login.succeeded	01a22881-aadf-7168-808d-f760d806c22e	01a22881-aadf-7168-808d-f760d806c22e	01a22881-d57d-7214-8ebd-7bde585b797e	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	709140d0ea2c27dc9740af7c8fa9b816
01a22881-d70a-7703-b516-22aa20a61349	2026-11-29 18:12:07.556724+00	login.succeeded	01a22881-aade-727f-83db-14e52e898188	01a22881-aade-727f-83db-14e52e898188	01a22881-d709-76dc-8699-e9420a42a9df	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"cookie"}	90a552b2ef1594534effcddf0ae40770
01a22881-d78b-7326-8c74-583f2b059dcb	2026-11-29 18:12:07.657174+00	session.logged_out	01a22881-aadf-7168-808d-f760d806c22e	01a22881-aadf-7168-808d-f760d806c22e	01a22881-d57d-7214-8ebd-7bde585b797e	127.0.0.1	python-pyreqwest/1.0.0	{}	41c698f31043be41dccb9e2d84239022
01a22881-da20-72bb-a3fa-683972c28da4	2026-11-29 18:12:08.333958+00	account.registered	01a22881-da17-7247-a1dc-e458446623c1	01a22881-da17-7247-a1dc-e458446623c1	\N	127.0.0.1	python-pyreqwest/1.0.0	{}	50bd9b979e7421fbb9575600bd97147f
01a22881-dc64-73aa-a441-4c1cbba8ede9	2026-11-29 18:12:08.901004+00	login.succeeded	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	01a22881-dc5d-7118-94e5-35f8b4302fd5	127.0.0.1	python-pyreqwest/1.0.0	{"kind":"token"}	6f6a69101793b2985ecce39e463b2fd0
01a22881-dcc5-722b-b145-cdb69749c56c	2026-11-29 18:12:08.983316+00	status.changed	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	01a22881-aae0-7037-b1d9-95a3e0426ffa	\N	127.0.0.1	python-pyreqwest/1.0.0	{"status":"suspended"}	f5a7d5f457de73cfc1cc2af54fd7b0dd
01a22881-e039-70c1-8e71-35a12da8e369	2026-11-29 18:12:09.890003+00	account.registered	01a22881-e02e-77b9-a3e6-d983fcc2b628	01a22881-e02e-77b9-a3e6-d983fcc2b628	\N	127.0.0.1	python-pyreqwest/1.0.0	{}	349d3fa1e9d1e8852468c096b6f38774
\.


COPY public.outbox (id, subjects, versions) FROM stdin;
15	{01a22881-e02e-77b9-a3e6-d983fcc2b628}	{1}
\.


COPY public.refresh_tokens (hash, session_id, used_at) FROM stdin;
\\x1143bc6ae23ede1031abaaa3efee813b2b13f1c540d2e053c4ff8d7bd3887479	01a22881-c2c2-7447-8254-b1c179e2952a	\N
\\x93aae74a20c1f19c813e2e6159fecc35e4f599f3045fda47de77a4a334a4ac82	01a22881-c55f-76af-a11b-7de16f60b0f7	\N
\\x5ef2836116f5fc8860af1e0da64c1db1ece5dc74c3e2472ea9e6df24a101621d	01a22881-c6e6-77f8-8181-7a850b795435	\N
\\x66d67dbeca6283d7da35badc821eca04a188636d9c5474929c7106bb82d96485	01a22881-d57d-7214-8ebd-7bde585b797e	\N
\\xf9f18cf0be7334b4d99afbaa267701935615a5b39761dc6ce45e8838a27f750e	01a22881-d709-76dc-8699-e9420a42a9df	\N
\\x9bb7675f1385516537f911dad9ba89584a19acf7484299c7eb122227173147df	01a22881-d3af-7189-b278-c67048dd3e21	2026-11-29 18:12:07.604504+00
\\x2d8ea8a582e82b550bafdabf01ae6ed4f45b7ed25ca16832780eac03d51d7d7f	01a22881-d3af-7189-b278-c67048dd3e21	\N
\\x70f2c6c9b6d0365bd4ffabe28051484dfe6494401a7b7a36960c5ec94cd7bb6c	01a22881-dc5d-7118-94e5-35f8b4302fd5	\N
\.


COPY public.schema_migrations (version, name, checksum, applied_at) FROM stdin;
1	0001_initial.sql	5db4c6f617b0adb672a86b703db45d238e2d698c18b5a17b286337d4a90ac2f0	2026-11-29 18:11:56.094493+00
2	0002_outbox.sql	0be81e225924b5dc318606da7edaaea3ea329153e829f1b42d065c88c0ce6f72	2026-11-29 18:11:56.118774+00
3	0003_sessions.sql	213772a9f3bdc67c100f828e2f1511efedacb879b72f16f2de36326c2696d92d	2026-11-29 18:11:56.138251+00
4	0004_audit.sql	f3c56916d8fb3418e5b3344f54d952ae28eb1c6978b1f6bd248e168acb8c17c6	2026-11-29 18:11:56.163545+00
5	0005_customers_told_again.sql	18c5c3edcd800527047efd91479a20b95b5e9e258c92237c8d8db4d7c3ce43d0	2026-11-29 18:11:56.178361+00
\.


COPY public.sessions (id, user_id, kind, csrf, user_agent, address, created_at, last_used_at, expires_at, revoked_at, revoked_for) FROM stdin;
01a22881-c2c2-7447-8254-b1c179e2952a	01a22881-aad9-75ef-b419-e1701719eb8a	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:02.369745+00	2026-11-29 18:12:02.369745+00	2026-12-06 18:12:02.369745+00	\N	\N
01a22881-c55f-76af-a11b-7de16f60b0f7	01a22881-aade-727f-83db-14e4a10c49bf	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:03.038494+00	2026-11-29 18:12:03.038494+00	2026-12-06 18:12:03.038494+00	\N	\N
01a22881-c6e6-77f8-8181-7a850b795435	01a22881-aade-727f-83db-14e52e898188	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:03.423501+00	2026-11-29 18:12:03.423501+00	2026-12-06 18:12:03.423501+00	\N	\N
01a22881-d3af-7189-b278-c67048dd3e21	01a22881-aadf-7168-808d-f760d806c22e	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:06.702494+00	2026-11-29 18:12:07.604504+00	2026-12-06 18:12:07.604504+00	\N	\N
01a22881-d57d-7214-8ebd-7bde585b797e	01a22881-aadf-7168-808d-f760d806c22e	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:07.158752+00	2026-11-29 18:12:07.158752+00	2026-12-06 18:12:07.158752+00	2026-11-29 18:12:07.657174+00	logged_out
01a22881-dc5d-7118-94e5-35f8b4302fd5	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	token	\N	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:08.901004+00	2026-11-29 18:12:08.901004+00	2026-12-06 18:12:08.901004+00	\N	\N
01a22881-d709-76dc-8699-e9420a42a9df	01a22881-aade-727f-83db-14e52e898188	cookie	not recorded 01a22881-d709-76dc-8699-e9420a42a9df	python-pyreqwest/1.0.0	127.0.0.1	2026-11-29 18:12:07.556724+00	2026-11-29 18:12:07.556724+00	2026-12-06 18:12:07.556724+00	\N	\N
\.


COPY public.user_events (user_id, version, type, data, actor, trace_id, occurred_at) FROM stdin;
01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	1	user.registered	{"id":"01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5","email":"admin@demo.valerix.example","name":"Demo Administrator","role":"admin","status":"active","customerId":null,"version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5		2026-11-29 18:11:56.195614+00
01a22881-aad9-75ef-b419-e1701719eb8a	1	user.registered	{"id":"01a22881-aad9-75ef-b419-e1701719eb8a","email":"operator@demo.valerix.example","name":"Demo Operator","role":"operator","status":"active","customerId":null,"version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aad9-75ef-b419-e1701719eb8a		2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e4a10c49bf	1	customer.registered	{"id":"01a22881-aade-727f-83db-14e4a10c49bf","email":"ada@demo.valerix.example","name":"Ada Lovelace","role":"customer","status":"active","customerId":"CUST-001","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aade-727f-83db-14e4a10c49bf		2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e52e898188	1	customer.registered	{"id":"01a22881-aade-727f-83db-14e52e898188","email":"grace@demo.valerix.example","name":"Grace Hopper","role":"customer","status":"active","customerId":"CUST-002","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aade-727f-83db-14e52e898188		2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e6e5034f16	1	customer.registered	{"id":"01a22881-aade-727f-83db-14e6e5034f16","email":"alan@demo.valerix.example","name":"Alan Turing","role":"customer","status":"active","customerId":"CUST-003","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aade-727f-83db-14e6e5034f16		2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f760d806c22e	1	customer.registered	{"id":"01a22881-aadf-7168-808d-f760d806c22e","email":"edsger@demo.valerix.example","name":"Edsger Dijkstra","role":"customer","status":"active","customerId":"CUST-004","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aadf-7168-808d-f760d806c22e		2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f761312f270b	1	customer.registered	{"id":"01a22881-aadf-7168-808d-f761312f270b","email":"barbara@demo.valerix.example","name":"Barbara Liskov","role":"customer","status":"active","customerId":"CUST-005","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aadf-7168-808d-f761312f270b		2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f76248bd76f3	1	customer.registered	{"id":"01a22881-aadf-7168-808d-f76248bd76f3","email":"donald@demo.valerix.example","name":"Donald Knuth","role":"customer","status":"active","customerId":"CUST-006","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aadf-7168-808d-f76248bd76f3		2026-11-29 18:11:56.195614+00
01a22881-aae0-7037-b1d9-95a2178d801c	1	customer.registered	{"id":"01a22881-aae0-7037-b1d9-95a2178d801c","email":"frances@demo.valerix.example","name":"Frances Allen","role":"customer","status":"active","customerId":"CUST-007","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aae0-7037-b1d9-95a2178d801c		2026-11-29 18:11:56.195614+00
01a22881-aae0-7037-b1d9-95a3e0426ffa	1	customer.registered	{"id":"01a22881-aae0-7037-b1d9-95a3e0426ffa","email":"tony@demo.valerix.example","name":"Tony Hoare","role":"customer","status":"active","customerId":"CUST-008","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aae0-7037-b1d9-95a3e0426ffa		2026-11-29 18:11:56.195614+00
01a22881-aae0-7037-b1d9-95a44a5503f0	1	customer.registered	{"id":"01a22881-aae0-7037-b1d9-95a44a5503f0","email":"margaret@demo.valerix.example","name":"Margaret Hamilton","role":"customer","status":"active","customerId":"CUST-009","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aae0-7037-b1d9-95a44a5503f0		2026-11-29 18:11:56.195614+00
01a22881-aae1-7040-a32a-705b406c674b	1	customer.registered	{"id":"01a22881-aae1-7040-a32a-705b406c674b","email":"mallory@demo.valerix.example","name":"Mallory Grey","role":"customer","status":"suspended","customerId":"CUST-010","version":1,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:11:56.195614Z"}	01a22881-aae1-7040-a32a-705b406c674b		2026-11-29 18:11:56.195614+00
01a22881-da17-7247-a1dc-e458446623c1	1	customer.registered	{"id":"01a22881-da17-7247-a1dc-e458446623c1","email":"first@demo.valerix.example","name":"The first to register","role":"customer","status":"active","customerId":"CUST-011","version":1,"createdAt":"2026-11-29T18:12:08.333958Z","updatedAt":"2026-11-29T18:12:08.333958Z"}	01a22881-da17-7247-a1dc-e458446623c1	50bd9b979e7421fbb9575600bd97147f	2026-11-29 18:12:08.333958+00
01a22881-aae0-7037-b1d9-95a3e0426ffa	2	customer.updated	{"id":"01a22881-aae0-7037-b1d9-95a3e0426ffa","email":"tony@demo.valerix.example","name":"Tony Hoare","role":"customer","status":"suspended","customerId":"CUST-008","version":2,"createdAt":"2026-11-29T18:11:56.195614Z","updatedAt":"2026-11-29T18:12:08.983316Z"}	01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	f5a7d5f457de73cfc1cc2af54fd7b0dd	2026-11-29 18:12:08.983316+00
01a22881-e02e-77b9-a3e6-d983fcc2b628	1	customer.registered	{"id":"01a22881-e02e-77b9-a3e6-d983fcc2b628","email":"second@demo.valerix.example","name":"The second to register","role":"customer","status":"active","customerId":"CUST-012","version":1,"createdAt":"2026-11-29T18:12:09.890003Z","updatedAt":"2026-11-29T18:12:09.890003Z"}	01a22881-e02e-77b9-a3e6-d983fcc2b628	349d3fa1e9d1e8852468c096b6f38774	2026-11-29 18:12:09.890003+00
\.


COPY public.users (id, email, name, role, status, customer_number, password_hash, version, created_at, updated_at) FROM stdin;
01a22881-aad4-74e8-bcd2-f9dcf0a4b8e5	admin@demo.valerix.example	Demo Administrator	admin	active	\N	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aad9-75ef-b419-e1701719eb8a	operator@demo.valerix.example	Demo Operator	operator	active	\N	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e4a10c49bf	ada@demo.valerix.example	Ada Lovelace	customer	active	CUST-001	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e52e898188	grace@demo.valerix.example	Grace Hopper	customer	active	CUST-002	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aade-727f-83db-14e6e5034f16	alan@demo.valerix.example	Alan Turing	customer	active	CUST-003	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f760d806c22e	edsger@demo.valerix.example	Edsger Dijkstra	customer	active	CUST-004	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f761312f270b	barbara@demo.valerix.example	Barbara Liskov	customer	active	CUST-005	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aadf-7168-808d-f76248bd76f3	donald@demo.valerix.example	Donald Knuth	customer	active	CUST-006	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aae0-7037-b1d9-95a2178d801c	frances@demo.valerix.example	Frances Allen	customer	active	CUST-007	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aae0-7037-b1d9-95a44a5503f0	margaret@demo.valerix.example	Margaret Hamilton	customer	active	CUST-009	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-aae1-7040-a32a-705b406c674b	mallory@demo.valerix.example	Mallory Grey	customer	suspended	CUST-010	not recorded	1	2026-11-29 18:11:56.195614+00	2026-11-29 18:11:56.195614+00
01a22881-da17-7247-a1dc-e458446623c1	first@demo.valerix.example	The first to register	customer	active	CUST-011	not recorded	1	2026-11-29 18:12:08.333958+00	2026-11-29 18:12:08.333958+00
01a22881-aae0-7037-b1d9-95a3e0426ffa	tony@demo.valerix.example	Tony Hoare	customer	suspended	CUST-008	not recorded	2	2026-11-29 18:11:56.195614+00	2026-11-29 18:12:08.983316+00
01a22881-e02e-77b9-a3e6-d983fcc2b628	second@demo.valerix.example	The second to register	customer	active	CUST-012	not recorded	1	2026-11-29 18:12:09.890003+00	2026-11-29 18:12:09.890003+00
\.


SELECT pg_catalog.setval('public.customer_numbers', 12, true);


SELECT pg_catalog.setval('public.outbox_id_seq', 15, true);


ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (hash);


ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);


ALTER TABLE ONLY public.user_events
    ADD CONSTRAINT user_events_pkey PRIMARY KEY (user_id, version);


ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_customer_number_key UNIQUE (customer_number);


ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);


ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


CREATE INDEX audit_actor ON public.audit USING btree (actor, id);


CREATE INDEX audit_subject ON public.audit USING btree (subject, id);


CREATE INDEX refresh_tokens_session ON public.refresh_tokens USING btree (session_id);


CREATE INDEX sessions_live ON public.sessions USING btree (user_id, last_used_at) WHERE (revoked_at IS NULL);


CREATE INDEX sessions_revoked ON public.sessions USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);


CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_to_forget();


CREATE TRIGGER not_all_at_once BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_forget();


CREATE TRIGGER put_into_outbox AFTER INSERT ON public.user_events REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION public.put_into_outbox();


ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE;


ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


ALTER TABLE ONLY public.user_events
    ADD CONSTRAINT user_events_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);


\unrestrict snapshot

RESET search_path;
        UPDATE sessions SET created_at = now(), last_used_at = now(), expires_at = now() + interval '7 days';
        UPDATE users SET password_hash = :'password_hash';
