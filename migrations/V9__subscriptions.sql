-- Subscriptions: who is told of what, what was noticed, and what was sent. Only additions: programs of the
-- release before go on over these tables, and write no changes.
--
-- Rows of change, told, published, delivery and attempt are only added. Their partitions are UTC days (told:
-- months of the moment), made on demand and dropped whole, so that a long snapshot delays no cleaning.

-- What somebody wants to be told. An INSERT of (topic, filter, target_url) is enough.
CREATE TABLE subscription (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name           text        COLLATE "C" NOT NULL UNIQUE DEFAULT 'subscription-' || left(gen_random_uuid()::text, 8),
    topic          text        NOT NULL DEFAULT 'odograph.readings',
    device         text        NOT NULL DEFAULT '*', -- which devices; * stands for any characters
    filter         text        NOT NULL DEFAULT 'true',
    clear          text,                             -- a second filter, which ends what the first began
    fire           text        NOT NULL DEFAULT 'rise' CHECK (fire IN ('rise', 'fall', 'both', 'change', 'each', 'quiet')),
    hold           interval    NOT NULL DEFAULT '0 s',
    silence        interval    NOT NULL DEFAULT '60 s',
    tolerance      interval    NOT NULL DEFAULT '10 s',
    every          interval,
    max_age        interval,
    target_url     text        NOT NULL,
    format         text        NOT NULL DEFAULT 'standard' CHECK (format IN ('standard', 'cloudevents', 'request', 'text')),
    body           text,                             -- the text, as a filter, where format is text
    method         text        NOT NULL DEFAULT 'POST',
    headers        jsonb       NOT NULL DEFAULT '{}',
    ordering       text        NOT NULL DEFAULT 'key' CHECK (ordering IN ('key', 'none')),
    parallel       int         NOT NULL DEFAULT 16 CHECK (parallel BETWEEN 1 AND 1000),
    rate           float8      CHECK (rate > 0),     -- requests a second, at most
    timeout        interval    NOT NULL DEFAULT '15 s',
    retries        interval[],                       -- waits before the tries; none: the usual ones
    enabled        boolean     NOT NULL DEFAULT true,
    generation     int         NOT NULL DEFAULT 1,   -- of the secret
    previous_until timestamptz,                      -- until then the secret before signs as well
    problem        text,                             -- why it does nothing, where it cannot
    rule           int         NOT NULL DEFAULT 1,   -- counts edits of what is noticed
    in_force       int,                              -- the rule that is evaluated
    gaps           bigint      NOT NULL DEFAULT 0,   -- events that were noticed and not queued, the queue being full
    failing        timestamptz,                      -- since when nothing was delivered, where the last try failed
    created        timestamptz NOT NULL DEFAULT now()
);

-- A place with borders: a Polygon or MultiPolygon of GeoJSON.
CREATE TABLE area (
    name    text  COLLATE "C" PRIMARY KEY,
    geojson jsonb NOT NULL
);

-- One row. `edits` counts changes of subscriptions and areas. `version` and `patterns` follow, once the notifier
-- has read them: whoever stores readings reads the version in the same transaction.
CREATE TABLE interest (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    version  bigint  NOT NULL DEFAULT 0,
    edits    bigint  NOT NULL DEFAULT 0,
    patterns jsonb   NOT NULL DEFAULT '[]' -- [{"device":"truck-*","sensors":["speed"]}, ...]
);
INSERT INTO interest DEFAULT VALUES;

-- Who evaluates and sends: the owner, until its lease ends. `number` grows with each commit of an owner.
CREATE TABLE evaluator (
    shard  int         PRIMARY KEY DEFAULT 0,
    owner  uuid,
    until  timestamptz NOT NULL DEFAULT '-infinity',
    number bigint      NOT NULL DEFAULT 0,
    seen   pg_snapshot, -- changes that are visible in it were taken
    origin text,        -- the database that `seen` belongs to
    rest   jsonb       NOT NULL DEFAULT '[]' -- spans that were taken and are still to be evaluated
);
INSERT INTO evaluator DEFAULT VALUES;

-- Which spans of which series got new readings in a transaction: series[i] from firsts[i] to lasts[i].
CREATE TABLE change (
    xid    xid8          NOT NULL DEFAULT pg_current_xact_id(),
    at     timestamptz   NOT NULL DEFAULT now(),
    series int[]         NOT NULL,
    firsts timestamptz[] NOT NULL,
    lasts  timestamptz[] NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX change_xid ON change (xid);

-- Moments of which nobody is to be told again.
CREATE TABLE told (
    subscription uuid        NOT NULL,
    device       text        COLLATE "C" NOT NULL,
    kind         text        NOT NULL,
    moment       timestamptz NOT NULL,
    silent       boolean     NOT NULL DEFAULT false, -- no event was made of it
    PRIMARY KEY (subscription, device, kind, moment)
) PARTITION BY RANGE (moment);

-- Messages that programs published.
CREATE TABLE published (
    topic  text        NOT NULL,
    id     text        NOT NULL,
    made   boolean     NOT NULL DEFAULT false, -- the publisher chose no id
    xid    xid8        NOT NULL DEFAULT pg_current_xact_id(),
    key    text,
    author text,
    data   jsonb       NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (at);
CREATE INDEX published_xid ON published (xid);
CREATE INDEX published_id ON published (topic, id);

-- Events to be sent. Lane 0: as they are noticed; lane 1: replays.
CREATE TABLE delivery (
    shard        int         NOT NULL DEFAULT 0,
    subscription uuid        NOT NULL,
    lane         smallint    NOT NULL DEFAULT 0,
    seq          bigint      NOT NULL, -- in its subscription and lane, from 1
    id           uuid        NOT NULL, -- the same in retries, redrives and replays
    key          text,                 -- of one key, one request at a time
    type         text        NOT NULL, -- odograph.reading.rise.v1
    moment       timestamptz NOT NULL,
    data         jsonb       NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (at);
CREATE INDEX delivery_seq ON delivery (subscription, lane, seq);

-- What became of each try. Of one try's rows, the one with the greatest number counts.
CREATE TABLE attempt (
    subscription uuid        NOT NULL,
    lane         smallint    NOT NULL DEFAULT 0,
    seq          bigint      NOT NULL,
    number       bigint      NOT NULL, -- evaluator.number of the sender
    try          int         NOT NULL, -- from 1
    at           timestamptz NOT NULL DEFAULT now(),
    ms           int         NOT NULL,
    status       int,
    error        text,
    body         text,
    outcome      text        NOT NULL CHECK (outcome IN ('delivered', 'retry', 'dead', 'gone', 'dropped', 'redrive')),
    due          timestamptz           -- of the next try, after retry and redrive
) PARTITION BY RANGE (at);
CREATE INDEX attempt_seq ON attempt (subscription, lane, seq);
CREATE INDEX attempt_redrive ON attempt (at) WHERE outcome = 'redrive';
CREATE INDEX attempt_at ON attempt (subscription, at);
CREATE INDEX attempt_dead ON attempt (subscription, at) WHERE outcome IN ('dead', 'gone');

-- Up to which seq every delivery has ended.
CREATE TABLE progress (
    shard        int      NOT NULL DEFAULT 0,
    subscription uuid     NOT NULL,
    lane         smallint NOT NULL,
    number       bigint   NOT NULL,
    upto         bigint   NOT NULL,
    PRIMARY KEY (shard, subscription, lane)
);

-- Events of a span that are to be sent again.
CREATE TABLE replay (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    subscription uuid        NOT NULL,
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    mode         text        NOT NULL CHECK (mode IN ('missed', 'all')),
    cursor       bigint      NOT NULL DEFAULT 0,
    state        text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done')),
    queued       bigint      NOT NULL DEFAULT 0,
    at           timestamptz NOT NULL DEFAULT now()
);

-- A rule counts its edits itself, also where somebody edits it by SQL.
CREATE FUNCTION subscription_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.topic, NEW.device, NEW.filter, NEW.clear, NEW.fire, NEW.hold, NEW.silence, NEW.tolerance)
        IS DISTINCT FROM (OLD.topic, OLD.device, OLD.filter, OLD.clear, OLD.fire, OLD.hold, OLD.silence, OLD.tolerance)
    THEN
        NEW.rule := OLD.rule + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER edited BEFORE UPDATE ON subscription FOR EACH ROW EXECUTE FUNCTION subscription_edited();

CREATE FUNCTION interest_edited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE interest SET edits = edits + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER counted AFTER INSERT OR DELETE OR TRUNCATE ON subscription EXECUTE FUNCTION interest_edited();
CREATE TRIGGER counted_update AFTER UPDATE OF name, topic, device, filter, clear, fire, hold, silence, tolerance, every,
    max_age, target_url, format, body, method, headers, ordering, parallel, rate, timeout, retries, enabled, generation,
    previous_until ON subscription EXECUTE FUNCTION interest_edited();
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON area EXECUTE FUNCTION interest_edited();

-- The functions run as the tables' owner, over these tables, whoever has put others before them. Of these tables,
-- programs get no more than they use; scripts/roles.sql says the same.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
    it     text;
BEGIN
    EXECUTE format('ALTER FUNCTION interest_edited SET search_path = %I, pg_temp', current_schema());
    FOREACH it IN ARRAY ARRAY['subscription', 'area', 'interest', 'evaluator', 'change', 'told', 'published', 'delivery', 'attempt', 'progress', 'replay'] LOOP
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
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER FUNCTION interest_edited OWNER TO %I', owner_);
        EXECUTE format('ALTER FUNCTION subscription_edited OWNER TO %I', owner_);
    END IF;
    IF to_regrole('odograph_writer') IS NOT NULL THEN
        GRANT SELECT ON interest TO odograph_writer;
        GRANT INSERT ON change TO odograph_writer;
    END IF;
END
$$;
