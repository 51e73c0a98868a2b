-- A database as version 0.1.0 of the programs has left it (schema 6): what `pg_dump --inserts
-- --no-owner --no-privileges` wrote of one that a drive, bad lines, a refused message and a dump
-- had gone through. Read by tests/e2e/last_release.rs; never changed.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.drop_partition(parent regclass, child text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    gone regclass;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE oid = parent AND relkind = 'p' AND relowner = quote_ident(current_user)::regrole
            AND has_table_privilege(session_user, parent, 'DELETE')
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = format('no partition of %s is dropped for %s', parent, session_user);
    END IF;
    SELECT inhrelid INTO gone
    FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = parent AND relname = child;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %s', gone);
    RETURN true;
END
$$;
CREATE FUNCTION public.make_partition(parent regclass, child text, since text, until text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET "TimeZone" TO 'UTC'
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
    place  name;
    table_ name;
    made   regclass;
    it     record;
BEGIN
    SELECT nspname, relname INTO place, table_
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = parent AND relkind = 'p' AND relowner = quote_ident(current_user)::regrole
        AND has_table_privilege(session_user, parent, 'INSERT');
    IF NOT FOUND OR child !~ '^[a-z_]+_[0-9][0-9_]*$' OR child NOT LIKE replace(table_, '_', '\_') || '\_%' THEN
        RAISE insufficient_privilege USING MESSAGE = format('no partition %s of %s is made for %s', child, parent, session_user);
    END IF;
    -- The number is arbitrary and must never change.
    PERFORM pg_advisory_xact_lock(8026662964342977651);
    made := to_regclass(format('%I.%I', place, child));
    IF made IS NOT NULL AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = parent AND inhrelid = made) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING ALL)', place, child, parent);
    made := format('%I.%I', place, child)::regclass;
    FOR it IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM pg_class, aclexplode(relacl) WHERE oid = made AND grantee <> relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', made, it.role);
    END LOOP;
    FOR it IN
        SELECT privilege_type AS right_, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM pg_class, aclexplode(relacl) WHERE oid = parent AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', it.right_, made, it.role);
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', parent, made, since, until);
    RETURN true;
END
$_$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.day (
    day date NOT NULL,
    version bigint NOT NULL
);
CREATE TABLE public.dead_letter (
    id bigint NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    payload bytea NOT NULL,
    buried timestamp with time zone DEFAULT now() NOT NULL,
    source text DEFAULT ''::text NOT NULL,
    lane text
);
ALTER TABLE public.dead_letter ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.dropped_day (
    day date NOT NULL,
    version bigint NOT NULL,
    revision bigint NOT NULL,
    dropped_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.dumped_day (
    day date NOT NULL,
    dump uuid NOT NULL,
    version bigint NOT NULL,
    whole boolean NOT NULL
);
CREATE TABLE public.reading (
    series_id integer NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    value double precision NOT NULL
)
PARTITION BY RANGE ("timestamp");
CREATE TABLE public.reading_2024_04 (
    series_id integer NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.reading_2024_05 (
    series_id integer NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.series (
    id integer NOT NULL,
    device text NOT NULL COLLATE pg_catalog."C",
    sensor text NOT NULL COLLATE pg_catalog."C",
    latest_timestamp timestamp with time zone,
    latest_value double precision
)
WITH (fillfactor='50');
CREATE VIEW public.readings AS
 SELECT series.device,
    series.sensor,
    reading."timestamp",
    reading.value
   FROM (public.reading
     JOIN public.series ON ((series.id = reading.series_id)));
CREATE TABLE public.receipt (
    upload uuid NOT NULL,
    message uuid NOT NULL,
    persisted integer NOT NULL,
    duplicates integer NOT NULL,
    conflicts integer NOT NULL,
    failed integer NOT NULL,
    accepted bigint,
    rejected bigint
)
PARTITION BY RANGE (upload);
CREATE TABLE public.receipt_2026_11_25 (
    upload uuid NOT NULL,
    message uuid NOT NULL,
    persisted integer NOT NULL,
    duplicates integer NOT NULL,
    conflicts integer NOT NULL,
    failed integer NOT NULL,
    accepted bigint,
    rejected bigint
);
CREATE TABLE public.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);
ALTER TABLE public.series ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.series_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY public.reading ATTACH PARTITION public.reading_2024_04 FOR VALUES FROM ('2024-04-01 00:00:00+00') TO ('2024-05-01 00:00:00+00');
ALTER TABLE ONLY public.reading ATTACH PARTITION public.reading_2024_05 FOR VALUES FROM ('2024-05-01 00:00:00+00') TO ('2024-06-01 00:00:00+00');
ALTER TABLE ONLY public.receipt ATTACH PARTITION public.receipt_2026_11_25 FOR VALUES FROM ('01a21000-8800-0000-0000-000000000000') TO ('01a21526-e400-0000-0000-000000000000');
INSERT INTO public.day VALUES ('2024-04-30', 1);
INSERT INTO public.day VALUES ('2024-05-01', 2);
INSERT INTO public.dead_letter OVERRIDING SYSTEM VALUE VALUES (1, '01a213e1-8ad3-74df-86cf-eb230daa19cf', 'odograph.rejected.v1', 'rejected lines', '\x7b2275706c6f6164223a2230316132313365312d386164332d373464662d383663662d656232323232386364626138222c226c696e65223a312c22646576696365223a2264656661756c74222c22726561736f6e223a2273656e736f723a206e6f742061206e616d6520283120746f203634206f6620412d5a20612d7a20302d39205f202e203a202d2c2061206c657474657220666972737429222c2272656164696e67223a227b5c2273656e736f725c223a5c226772c3b6c39f655c222c5c2276616c75655c223a312c5c2274696d657374616d705c223a5c22323032342d30352d30315430303a30303a30335a5c227d227d0a7b2275706c6f6164223a2230316132313365312d386164332d373464662d383663662d656232323232386364626138222c226c696e65223a322c22646576696365223a2264656661756c74222c22726561736f6e223a226e6f742061204a534f4e206f626a6563743a206578706563746564206964656e742c206174206368617261637465722032222c2272656164696e67223a226e6f6e73656e736520e282ac227d0a', '2026-11-25 18:04:37.982626+00', '/ingestor/01a213e189dc74a4ac23ce6ca1f654df', NULL);
INSERT INTO public.dead_letter OVERRIDING SYSTEM VALUE VALUES (2, '01a213e1-8b9a-7183-b053-9d77252488f7', 'odograph.readings.v1', 'the database refuses it (SQLSTATE 23514)', '\x024a00000001a213e18b9a7183b0539d768bef003806747269702d330001010000000000000000000000000000000100046c6164610573706565640100000040cb392b591706000000000000002a40', '2026-11-25 18:04:38.190978+00', '/ingestor/01a213e189dc74a4ac23ce6ca1f654df', 'live');
INSERT INTO public.dead_letter OVERRIDING SYSTEM VALUE VALUES (3, 'an id of 50% \041', 'a type', 'a reason with a \, a 100% and a €', '\x00ff41', '2026-11-25 18:04:38.314797+00', '/from/köln', NULL);
INSERT INTO public.dropped_day VALUES ('2024-04-30', 1, 1, '2026-11-25 18:04:38.38307+00');
INSERT INTO public.dumped_day VALUES ('2026-11-24', '0a078806-58b0-42bd-bb34-d089fa1ac7ae', 0, true);
INSERT INTO public.dumped_day VALUES ('2024-05-01', 'dccf9e78-4e64-4561-84b6-4cfa48d7a9cd', 2, true);
INSERT INTO public.reading_2024_04 VALUES (2, '2024-04-30 23:59:59+00', 55.5);
INSERT INTO public.reading_2024_05 VALUES (1, '2024-05-01 00:00:02+00', 40);
INSERT INTO public.reading_2024_05 VALUES (2, '2024-05-01 00:00:01.5+00', 56);
INSERT INTO public.reading_2024_05 VALUES (2, '2024-05-01 00:00:04+00', 57);
INSERT INTO public.receipt_2026_11_25 VALUES ('01a213e1-8a5f-7798-810a-3755a963210a', '01a213e1-8a5f-7798-810a-3756d2fa4586', 3, 0, 0, 0, 3, 0);
INSERT INTO public.receipt_2026_11_25 VALUES ('01a213e1-8ad3-74df-86cf-eb22228cdba8', '01a213e1-8ae6-7556-af6d-d181435a2b77', 1, 0, 0, 0, 1, 2);
INSERT INTO public.receipt_2026_11_25 VALUES ('01a213e1-8b9a-7183-b053-9d768bef0038', '01a213e1-8b9a-7183-b053-9d77252488f7', 0, 0, 0, 1, 1, 0);
INSERT INTO public.refinery_schema_history VALUES (1, 'readings', '2026-11-25T18:04:37.663375413Z', '3825866066436518244');
INSERT INTO public.refinery_schema_history VALUES (2, 'receipts', '2026-11-25T18:04:37.702685912Z', '14877413562270828390');
INSERT INTO public.refinery_schema_history VALUES (3, 'retention', '2026-11-25T18:04:37.705261968Z', '17986223608524094916');
INSERT INTO public.refinery_schema_history VALUES (4, 'partitions', '2026-11-25T18:04:37.710649039Z', '279605881758900501');
INSERT INTO public.refinery_schema_history VALUES (5, 'dead_letters', '2026-11-25T18:04:37.715343843Z', '9534157909845871873');
INSERT INTO public.refinery_schema_history VALUES (6, 'dumped_day', '2026-11-25T18:04:37.718643704Z', '16469019713409482184');
INSERT INTO public.series VALUES (1, 'default', 'fuel', '2024-05-01 00:00:02+00', 40);
INSERT INTO public.series VALUES (2, 'lada', 'speed', '2024-05-01 00:00:04+00', 57);
SELECT pg_catalog.setval('public.dead_letter_id_seq', 3, true);
SELECT pg_catalog.setval('public.series_id_seq', 2, true);
ALTER TABLE ONLY public.day
    ADD CONSTRAINT day_pkey PRIMARY KEY (day);
ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT dead_letter_event_id_key UNIQUE (event_id);
ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dropped_day
    ADD CONSTRAINT dropped_day_pkey PRIMARY KEY (day);
ALTER TABLE ONLY public.dumped_day
    ADD CONSTRAINT dumped_day_pkey PRIMARY KEY (day, dump);
ALTER TABLE ONLY public.reading
    ADD CONSTRAINT reading_pkey PRIMARY KEY (series_id, "timestamp");
ALTER TABLE ONLY public.reading_2024_04
    ADD CONSTRAINT reading_2024_04_pkey PRIMARY KEY (series_id, "timestamp");
ALTER TABLE ONLY public.reading_2024_05
    ADD CONSTRAINT reading_2024_05_pkey PRIMARY KEY (series_id, "timestamp");
ALTER TABLE ONLY public.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (upload, message);
ALTER TABLE ONLY public.receipt_2026_11_25
    ADD CONSTRAINT receipt_2026_11_25_pkey PRIMARY KEY (upload, message);
ALTER TABLE ONLY public.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_device_sensor_key UNIQUE (device, sensor);
ALTER TABLE ONLY public.series
    ADD CONSTRAINT series_pkey PRIMARY KEY (id);
ALTER INDEX public.reading_pkey ATTACH PARTITION public.reading_2024_04_pkey;
ALTER INDEX public.reading_pkey ATTACH PARTITION public.reading_2024_05_pkey;
ALTER INDEX public.receipt_pkey ATTACH PARTITION public.receipt_2026_11_25_pkey;
