-- Dead letters live here whatever the event bus. Only additions: programs of the release before go on
-- over these tables.

-- Which copy of its event a letter is: '' for the event as it came first, else the mark that
-- `odograph dead redrive` gave the copy, or the place in the stream of dead letters of earlier
-- versions. A letter whose (event_id, mark) is in dead_letter_gone is never stored again.
ALTER TABLE dead_letter ADD COLUMN mark text NOT NULL DEFAULT '';
-- Bytes that the payload had, where less than all of it was kept.
ALTER TABLE dead_letter ADD COLUMN cut_from bigint;
-- Headers that a message came with beside those of its event: "name: value", a line each,
-- percent-encoded like every text of a letter.
ALTER TABLE dead_letter ADD COLUMN headers text;

-- Rejected lines that go first where they take too much: the oldest.
CREATE INDEX dead_letter_lines ON dead_letter (id) WHERE type = 'odograph.rejected.v1';

-- Ids of letters that were purged, redriven or evicted, so that neither a redelivery nor a rebuild
-- brings them back. Kept for 30 days, like letters.
CREATE TABLE dead_letter_gone (
    event_id text        NOT NULL,
    mark     text        NOT NULL,
    at       timestamptz NOT NULL,
    evicted  boolean     NOT NULL DEFAULT false, -- to make room; of these only the latest million stay
    PRIMARY KEY (event_id, mark)
);
CREATE INDEX dead_letter_gone_at ON dead_letter_gone (at);

-- The first 100 rejected lines of each upload, for its receipt. Partitions are those of `receipt`: the
-- UTC days of the uploads' ids, made on demand and dropped with the receipts of the day.
CREATE TABLE receipt_line (
    upload  uuid   NOT NULL,
    ordinal int    NOT NULL, -- among the upload's rejected lines, from 1
    line    bigint NOT NULL,
    value   bigint,          -- among the values of that line, from 1, where it holds several
    reason  text   NOT NULL, -- percent-encoded, as the next
    reading text   NOT NULL, -- the first 256 characters
    PRIMARY KEY (upload, ordinal)
) PARTITION BY RANGE (upload);
