-- Roles with no more rights than they need, for a database that one role has owned so far.
--
--   odograph migrate                                   as the owner: makes the tables
--   psql --set ON_ERROR_STOP=1 --dbname odograph --file scripts/roles.sql    as a superuser; again after an upgrade does no harm
--   psql --command '\password odograph_writer'         and the same for the others
--
-- The owner stays who it was: it migrates (`odograph migrate`), and runs what drops readings
-- (retention). The others:
--
--   odograph_writer   persistor, odograph rebuild and odograph restore, all with --migrate=false, and
--                     odograph dead and odograph device. Adds readings, series and partitions; can neither
--                     change nor delete a reading, nor rename a series. It may not write the journal: let it restore
--                     with --journal=false, and the owner the rest.
--   odograph_reader   api with --migrate=false. Reads, but no dead letters.
--   odograph_dumper   dumper. Reads likewise, and notes which dumps it has written.
--   odograph_notifier notifier with --migrate=false. Reads readings, and writes the tables of subscriptions; changes what
--                     is queued of edited and deleted entries by retell_entry. Those tables are closed to the roles
--                     above, but for what tells the notifier of new readings: the writer reads `interest` and adds to
--                     `change`.
--   odograph_messages messages with --migrate=false. Reads, adds and deletes messages, and nothing else. Those are
--                     closed to all other roles.
--   odograph_journal  journal with --migrate=false. Reads and writes the journal, adds to the published messages
--                     what it tells subscribers, changes what it has told of an entry by retell_entry, and drops old
--                     days of them that hold nothing else (is_journals_day). The reader reads the journal, but for what clients call their posts.
--
-- Tables of later migrations: the writer writes them, the reader reads them, until this script has
-- been told otherwise.
BEGIN;

DO $$
DECLARE
    place  text := current_schema();
    owner_ text := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'series');
    -- Tables of subscriptions.
    subscribing name[] := ARRAY['subscription', 'area', 'interest', 'evaluator', 'change', 'told', 'published', 'delivery', 'attempt', 'progress', 'replay', 'gap'];
    -- Tables of messages, and their view.
    messaging   name[] := ARRAY['epoch', 'message', 'messages'];
    -- Tables of the journal, and their view.
    journaling  name[] := ARRAY['author', 'entry', 'hashtag', 'entry_hashtag', 'journal'];
    rights text;
    it     record;
BEGIN
    IF owner_ IS NULL THEN
        RAISE EXCEPTION 'there are no tables here yet: let their owner run "odograph migrate" first';
    END IF;
    IF to_regclass('device_day') IS NULL THEN
        RAISE EXCEPTION 'the tables are those of an older version: let their owner run "odograph migrate" first';
    END IF;
    IF to_regrole('odograph_writer') IS NULL THEN
        CREATE ROLE odograph_writer LOGIN;
    END IF;
    IF to_regrole('odograph_reader') IS NULL THEN
        CREATE ROLE odograph_reader LOGIN;
    END IF;
    IF to_regrole('odograph_dumper') IS NULL THEN
        CREATE ROLE odograph_dumper LOGIN;
    END IF;
    IF to_regrole('odograph_notifier') IS NULL THEN
        CREATE ROLE odograph_notifier LOGIN;
    END IF;
    IF to_regrole('odograph_messages') IS NULL THEN
        CREATE ROLE odograph_messages LOGIN;
    END IF;
    IF to_regrole('odograph_journal') IS NULL THEN
        CREATE ROLE odograph_journal LOGIN;
    END IF;
    GRANT odograph_reader TO odograph_dumper;

    -- Only the owner makes tables, functions and schemas here.
    EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', place);
    EXECUTE format('GRANT CREATE, TEMPORARY, CONNECT ON DATABASE %I TO %I', current_database(), owner_);
    EXECUTE format('GRANT CREATE, USAGE ON SCHEMA %I TO %I', place, owner_);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO odograph_writer, odograph_reader, odograph_notifier, odograph_messages, odograph_journal', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO odograph_writer, odograph_reader, odograph_notifier, odograph_messages, odograph_journal', place);

    FOR it IN
        SELECT c.oid::regclass AS name, coalesce(parent.relname, c.relname) AS like_
        FROM pg_class c
        LEFT JOIN pg_inherits ON inhrelid = c.oid
        LEFT JOIN pg_class parent ON parent.oid = inhparent
        WHERE c.relnamespace = quote_ident(place)::regnamespace AND c.relowner = quote_ident(owner_)::regrole AND c.relkind IN ('r', 'p', 'v')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM odograph_writer, odograph_reader, odograph_dumper, odograph_notifier, odograph_messages, odograph_journal', it.name);
        rights := CASE it.like_
            WHEN 'reading' THEN 'SELECT, INSERT'
            WHEN 'series' THEN 'SELECT, INSERT, UPDATE (latest_timestamp, latest_value)'
            WHEN 'day' THEN 'SELECT, INSERT, UPDATE (version)'
            WHEN 'device_day' THEN 'SELECT, INSERT, UPDATE (version, xid)'
            WHEN 'dead_letter' THEN 'SELECT, INSERT, UPDATE (payload), DELETE'
            WHEN 'dead_letter_gone' THEN 'SELECT, INSERT, DELETE'
            -- Whole days of them go by drop_partition, which asks for DELETE.
            WHEN 'receipt_line' THEN 'SELECT, INSERT, DELETE'
            WHEN 'readings' THEN 'SELECT'
            WHEN 'dropped_day' THEN 'SELECT'
            WHEN 'dumped_day' THEN 'SELECT, INSERT, UPDATE (version, whole)'
            WHEN 'refinery_schema_history' THEN 'SELECT'
            WHEN 'interest' THEN 'SELECT'
            WHEN 'change' THEN 'INSERT'
            ELSE CASE WHEN it.like_ = ANY (subscribing || messaging || journaling) THEN NULL ELSE 'SELECT, INSERT, UPDATE, DELETE' END
        END;
        IF rights IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO odograph_writer', rights, it.name);
        END IF;
        -- Dead letters hold bodies as clients sent them; subscriptions hold addresses and headers of endpoints.
        IF it.like_ = 'entry' THEN
            GRANT SELECT (id, author_id, device, body, latitude, longitude, received, edited, deleted, words, xid)
                ON entry TO odograph_reader;
        ELSIF it.like_ NOT IN ('dead_letter', 'dead_letter_gone') AND it.like_ <> ALL (subscribing || messaging) THEN
            EXECUTE format('GRANT SELECT ON %s TO odograph_reader', it.name);
        END IF;
        rights := CASE
            WHEN it.like_ IN ('reading', 'readings', 'series', 'dropped_day', 'refinery_schema_history') THEN 'SELECT'
            WHEN it.like_ IN ('subscription', 'area', 'interest', 'evaluator', 'progress', 'replay', 'gap') THEN 'SELECT, INSERT, UPDATE, DELETE'
            -- Its looks at the clock, by which it drops what is past its time.
            WHEN it.like_ = 'clock_look' THEN 'SELECT, INSERT, DELETE'
            -- Rows are only added; whole partitions go by drop_partition, which asks for DELETE. Made ones by
            -- make_partition, which asks for INSERT.
            WHEN it.like_ = ANY (subscribing) THEN 'SELECT, INSERT, DELETE'
        END;
        IF rights IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO odograph_notifier', rights, it.name);
        END IF;
        rights := CASE it.like_
            WHEN 'epoch' THEN 'SELECT, INSERT, UPDATE (closed), DELETE'
            WHEN 'message' THEN 'SELECT, INSERT, DELETE'
            WHEN 'messages' THEN 'SELECT'
            WHEN 'refinery_schema_history' THEN 'SELECT'
        END;
        IF rights IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO odograph_messages', rights, it.name);
        END IF;
        rights := CASE it.like_
            WHEN 'author' THEN 'SELECT, INSERT'
            WHEN 'hashtag' THEN 'SELECT, INSERT'
            WHEN 'entry' THEN 'SELECT, INSERT, UPDATE'
            WHEN 'entry_hashtag' THEN 'SELECT, INSERT, DELETE'
            WHEN 'journal' THEN 'SELECT'
            -- Whole days of it go by drop_partition, which asks for DELETE, where no notifier holds the lease.
            WHEN 'published' THEN 'INSERT, DELETE'
            WHEN 'evaluator' THEN 'SELECT (until)'
            WHEN 'clock_look' THEN 'SELECT, INSERT, DELETE'
            WHEN 'refinery_schema_history' THEN 'SELECT'
        END;
        IF rights IS NOT NULL THEN
            EXECUTE format('GRANT %s ON %s TO odograph_journal', rights, it.name);
        END IF;
    END LOOP;
    GRANT INSERT ON dumped_day TO odograph_dumper;
    GRANT EXECUTE ON FUNCTION make_partition, drop_partition TO odograph_writer, odograph_notifier, odograph_messages, odograph_journal;
    GRANT EXECUTE ON FUNCTION retell_entry TO odograph_journal, odograph_notifier;
    GRANT EXECUTE ON FUNCTION is_journals_day TO odograph_journal;

    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO odograph_writer', owner_, place);
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO odograph_reader', owner_, place);
END
$$;

COMMIT;
