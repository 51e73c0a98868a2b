-- What was noticed and not queued because the queue was full, until a replay queues it. Events of readings without
-- their data: the readings have it.
CREATE TABLE gap (
    subscription uuid        NOT NULL,
    id           uuid        NOT NULL, -- of the event
    key          text,
    type         text        NOT NULL,
    moment       timestamptz NOT NULL,
    data         jsonb,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subscription, moment, id)
);

-- A subscription that is enabled again fails from then on.
CREATE OR REPLACE FUNCTION subscription_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.topic, NEW.device, NEW.filter, NEW.clear, NEW.fire, NEW.hold, NEW.silence, NEW.tolerance)
        IS DISTINCT FROM (OLD.topic, OLD.device, OLD.filter, OLD.clear, OLD.fire, OLD.hold, OLD.silence, OLD.tolerance)
    THEN
        NEW.rule := OLD.rule + 1;
    END IF;
    IF NEW.enabled AND NOT OLD.enabled THEN
        NEW.failing := NULL;
    END IF;
    RETURN NEW;
END
$$;

-- As the other tables of subscriptions; scripts/roles.sql says the same.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
BEGIN
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER TABLE gap OWNER TO %I', owner_);
    END IF;
    IF to_regrole('odograph_writer') IS NOT NULL THEN
        REVOKE ALL ON gap FROM odograph_writer;
    END IF;
    IF to_regrole('odograph_reader') IS NOT NULL THEN
        REVOKE ALL ON gap FROM odograph_reader;
    END IF;
    IF to_regrole('odograph_notifier') IS NOT NULL AND has_table_privilege('odograph_notifier', 'delivery', 'INSERT') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON gap TO odograph_notifier;
    END IF;
END
$$;
