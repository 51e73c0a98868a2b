-- Messages: a temporary store of events. Only additions.

-- A span of time in which messages arrived. One is open; the others gain nothing any more. An epoch is gone when its
-- last message is past its time, and its messages go with it, as a whole partition.
CREATE TABLE epoch (
    number    int         PRIMARY KEY,
    opened    timestamptz NOT NULL,
    closed    timestamptz,
    retention interval    NOT NULL -- of its messages, fixed when it was opened
);
CREATE UNIQUE INDEX epoch_open ON epoch ((closed IS NULL)) WHERE closed IS NULL;

-- Messages as they came. Partitions are epochs, made on demand and dropped whole.
CREATE TABLE message (
    epoch    int         NOT NULL,
    id       text        COLLATE "C" NOT NULL,
    source   text        COLLATE "C" NOT NULL,
    received timestamptz NOT NULL,
    event    bytea       NOT NULL, -- io.cloudevents.v1.CloudEvent
    PRIMARY KEY (id, source, epoch)
) PARTITION BY RANGE (epoch);

-- Messages that are not past their time.
CREATE VIEW messages AS
    SELECT id, source, received, event FROM message JOIN epoch ON number = epoch
    WHERE received + retention > clock_timestamp();

-- Only their own role has rights on them; scripts/roles.sql says the same.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
    it     text;
BEGIN
    FOREACH it IN ARRAY ARRAY['epoch', 'message', 'messages'] LOOP
        IF owner_ <> current_user THEN
            EXECUTE format('ALTER TABLE %I OWNER TO %I', it, owner_);
        END IF;
        IF to_regrole('odograph_writer') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %I FROM odograph_writer', it);
        END IF;
        IF to_regrole('odograph_reader') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %I FROM odograph_reader', it);
        END IF;
    END LOOP;
END
$$;
