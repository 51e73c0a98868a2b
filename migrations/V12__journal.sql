-- The journal: what people and programs wrote on the way. Only additions.

CREATE TABLE author (
    id   int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- The id is a ULID: its first six bytes are the moment that the entry tells of, in milliseconds since 1970. So one key
-- orders entries, pages them, bounds their dates and counts them. A deleted entry keeps its id, and nothing else that
-- it said.
CREATE TABLE entry (
    id        uuid        PRIMARY KEY,
    author_id int         NOT NULL,
    device    text        COLLATE "C",
    body      text        NOT NULL,
    latitude  float8,
    longitude float8,
    received  timestamptz NOT NULL DEFAULT now(),
    edited    timestamptz,
    deleted   timestamptz,
    request   text        COLLATE "C", -- the Idempotency-Key that it was posted with
    digest    bytea,                   -- SHA-256 of what was posted with it
    words     tsvector    NOT NULL DEFAULT '', -- of the text with its case folded, in each locale of the database
    UNIQUE (author_id, request),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
);
CREATE INDEX entry_there ON entry (id) WHERE deleted IS NULL;
CREATE INDEX entry_author ON entry (author_id, id);
CREATE INDEX entry_device ON entry (device, id);
CREATE INDEX entry_words ON entry USING gin (words);

-- Names of hashtags, as they are compared.
CREATE TABLE hashtag (
    id   int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

-- Hashtags of entries that are there.
CREATE TABLE entry_hashtag (
    hashtag_id int      NOT NULL,
    entry_id   uuid     NOT NULL,
    author_id  int      NOT NULL, -- as the entry has it: so entries of a hashtag and an author are in order, too
    spelling   text     NOT NULL, -- as it was written
    position   smallint NOT NULL, -- below 0: named beside the text; else its place in the text
    PRIMARY KEY (hashtag_id, entry_id)
);
CREATE INDEX entry_hashtag_entry ON entry_hashtag (entry_id);
CREATE INDEX entry_hashtag_author ON entry_hashtag (hashtag_id, author_id, entry_id);

-- For people who ask by SQL.
CREATE VIEW journal AS
    SELECT to_timestamp(('x' || left(replace(entry.id::text, '-', ''), 12))::bit(48)::int8 / 1000.0) AS timestamp,
        author.name AS author, device, body AS text,
        ARRAY(SELECT spelling FROM entry_hashtag WHERE entry_id = entry.id ORDER BY position) AS hashtags,
        latitude, longitude, received, edited, entry.id
    FROM entry JOIN author ON author.id = author_id
    WHERE deleted IS NULL;

-- Programs get no more than they use; scripts/roles.sql says the same.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
    it     text;
BEGIN
    FOREACH it IN ARRAY ARRAY['author', 'entry', 'hashtag', 'entry_hashtag', 'journal'] LOOP
        IF owner_ <> current_user THEN
            EXECUTE format('ALTER TABLE %I OWNER TO %I', it, owner_);
        END IF;
        IF to_regrole('odograph_writer') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON %I FROM odograph_writer', it);
        END IF;
        IF to_regrole('odograph_reader') IS NOT NULL AND it = 'entry' THEN
            REVOKE ALL ON entry FROM odograph_reader;
            GRANT SELECT (id, author_id, device, body, latitude, longitude, received, edited, deleted, words)
                ON entry TO odograph_reader;
        END IF;
    END LOOP;
END
$$;
