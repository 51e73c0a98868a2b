-- Names that people gave to devices, for display. They are percent-encoded, so that a database of any encoding takes
-- them. A device without a row has none.
CREATE TABLE device_name (
    device text COLLATE "C" PRIMARY KEY,
    name   text NOT NULL
);

-- The roles get what scripts/roles.sql says of tables of later migrations; so does the owner.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
BEGIN
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER TABLE device_name OWNER TO %I', owner_);
        -- Default privileges are those of the role that made it.
        IF to_regrole('odograph_writer') IS NOT NULL THEN
            GRANT SELECT, INSERT, UPDATE, DELETE ON device_name TO odograph_writer;
        END IF;
        IF to_regrole('odograph_reader') IS NOT NULL THEN
            GRANT SELECT ON device_name TO odograph_reader;
        END IF;
    END IF;
END
$$;
