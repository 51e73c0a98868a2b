-- What the live stream of the API follows: by which transaction a thing was written last. Only additions: programs of
-- the release before go on over these tables, and note no days of devices.

-- The days of each device that got readings.
CREATE TABLE device_day (
    device  text   COLLATE "C" NOT NULL,
    day     date   NOT NULL,
    version bigint NOT NULL, -- of the day, by the transaction that added readings of the device last
    xid     xid8   NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (device, day)
);
CREATE INDEX device_day_xid ON device_day (xid);

-- Rows of before have none. The default comes second, so that they get none.
ALTER TABLE receipt ADD COLUMN xid xid8;
ALTER TABLE receipt ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX receipt_xid ON receipt (xid);

ALTER TABLE entry ADD COLUMN xid xid8;
ALTER TABLE entry ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX entry_xid ON entry (xid);

-- Edits and deletes count, too, also those by SQL.
CREATE FUNCTION entry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.xid := pg_current_xact_id();
    RETURN NEW;
END
$$;
CREATE TRIGGER changed BEFORE UPDATE ON entry FOR EACH ROW EXECUTE FUNCTION entry_changed();

-- Programs get no more than they use; scripts/roles.sql says the same.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
BEGIN
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER TABLE device_day OWNER TO %I', owner_);
        EXECUTE format('ALTER FUNCTION entry_changed OWNER TO %I', owner_);
    END IF;
    IF to_regrole('odograph_writer') IS NOT NULL THEN
        REVOKE ALL ON device_day FROM odograph_writer;
        GRANT SELECT, INSERT, UPDATE (version, xid) ON device_day TO odograph_writer;
    END IF;
    IF to_regrole('odograph_reader') IS NOT NULL THEN
        GRANT SELECT ON device_day TO odograph_reader;
        GRANT SELECT (xid) ON entry TO odograph_reader;
    END IF;
END
$$;
