-- What subscribers were told of an entry of the journal changes with the entry.

-- By these, what the notifier has queued of an entry is found. The conditions keep other messages out.
CREATE INDEX delivery_entry ON delivery (left(data ->> 'id', 26))
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL;
CREATE INDEX gap_entry ON gap (left(data ->> 'id', 26))
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL;

-- Makes all messages that tell of an entry say what it says from now on. So a text that was deleted or replaced is in no
-- queue and no replay. Ids, numbers and transactions stay, so nothing is told twice or left out. Runs as the owner of
-- the tables: the role of the journal neither reads nor changes what others have published.
--
-- What is queued is known by the message itself, for a subscription may have another topic by now: its id is a UUIDv8 of
-- the SHA-256 of topic and id, as the notifier makes it. An edit that `published` has dropped is known by its
-- subscription. `gap` comes before `delivery`: a replay moves rows from the one to the other, and is waited for.
--
-- The two bounds are those of an index, in any collation; the third condition decides. One plan does for all entries.
CREATE FUNCTION retell_entry(ulid text, said jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    ids uuid[];
BEGIN
    UPDATE published SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE topic = 'odograph.journal' AND id > ulid AND id < ulid || 'z' AND starts_with(id, ulid || '-')
        AND data IS DISTINCT FROM said || jsonb_build_object('event', data -> 'event');
    ids := ARRAY(
        SELECT encode(set_byte(set_byte(digest, 6, get_byte(digest, 6) & 15 | 128), 8, get_byte(digest, 8) & 63 | 128), 'hex')::uuid
        FROM (
            SELECT substr(sha256('odograph.journal'::bytea || '\x00'::bytea || message::bytea), 1, 16) AS digest
            FROM (
                SELECT id AS message FROM published
                WHERE topic = 'odograph.journal' AND id > ulid AND id < ulid || 'z' AND starts_with(id, ulid || '-')
                UNION VALUES (ulid || '-created'), (ulid || '-deleted')
            ) AS messages
        ) AS digests
    );
    UPDATE gap SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL AND left(data ->> 'id', 26) = ulid
        AND (id = ANY (ids) OR data ->> 'event' = 'edited'
            AND subscription IN (SELECT subscription.id FROM subscription WHERE topic = 'odograph.journal'))
        AND data IS DISTINCT FROM said || jsonb_build_object('event', data -> 'event');
    UPDATE delivery SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL AND left(data ->> 'id', 26) = ulid
        AND (id = ANY (ids) OR data ->> 'event' = 'edited'
            AND subscription IN (SELECT subscription.id FROM subscription WHERE topic = 'odograph.journal'))
        AND data IS DISTINCT FROM said || jsonb_build_object('event', data -> 'event');
END
$$;

-- Whether a day of `published`, by the name of its partition, holds messages of the journal alone. Another program may have
-- published others, and may want them for longer.
CREATE FUNCTION is_journals_day(name text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    day regclass := (
        SELECT inhrelid FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'published'::regclass AND relname = name
    );
    others boolean;
BEGIN
    IF day IS NULL THEN
        RETURN false;
    END IF;
    -- Two spans of the index, for <> would read all of it.
    EXECUTE format('SELECT EXISTS (SELECT FROM %1$s WHERE topic < $1) OR EXISTS (SELECT FROM %1$s WHERE topic > $1)', day)
    INTO others USING 'odograph.journal';
    RETURN NOT others;
END
$$;
REVOKE EXECUTE ON FUNCTION retell_entry, is_journals_day FROM PUBLIC;

-- The roles get what scripts/roles.sql gives them, where it has run.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
    it     text;
BEGIN
    FOREACH it IN ARRAY ARRAY['retell_entry', 'is_journals_day'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', it, current_schema());
        IF owner_ <> current_user THEN
            EXECUTE format('ALTER FUNCTION %I OWNER TO %I', it, owner_);
        END IF;
    END LOOP;
    IF to_regrole('odograph_journal') IS NOT NULL AND has_any_column_privilege('odograph_journal', 'entry', 'INSERT') THEN
        GRANT EXECUTE ON FUNCTION retell_entry, is_journals_day, drop_partition TO odograph_journal;
        GRANT DELETE ON published TO odograph_journal;
        GRANT SELECT (until) ON evaluator TO odograph_journal;
        GRANT SELECT, INSERT, DELETE ON clock_look TO odograph_journal;
    END IF;
    IF to_regrole('odograph_notifier') IS NOT NULL AND has_table_privilege('odograph_notifier', 'delivery', 'INSERT') THEN
        GRANT EXECUTE ON FUNCTION retell_entry TO odograph_notifier;
    END IF;
END
$$;
