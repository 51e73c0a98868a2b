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
-- The two bounds are those of an index, in any collation; the third condition decides.
CREATE FUNCTION retell_entry(ulid text, said jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    UPDATE published SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE topic = 'odograph.journal' AND id > ulid AND id < ulid || 'z' AND starts_with(id, ulid || '-');
    UPDATE delivery SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL AND left(data ->> 'id', 26) = ulid
        AND subscription IN (SELECT id FROM subscription WHERE topic = 'odograph.journal');
    UPDATE gap SET data = said || jsonb_build_object('event', data -> 'event')
    WHERE type = 'odograph.message.v1' AND data ->> 'event' IS NOT NULL AND left(data ->> 'id', 26) = ulid
        AND subscription IN (SELECT id FROM subscription WHERE topic = 'odograph.journal');
$$;
REVOKE EXECUTE ON FUNCTION retell_entry FROM PUBLIC;

DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
BEGIN
    EXECUTE format('ALTER FUNCTION retell_entry SET search_path = %I, pg_temp', current_schema());
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER FUNCTION retell_entry OWNER TO %I', owner_);
    END IF;
END
$$;
