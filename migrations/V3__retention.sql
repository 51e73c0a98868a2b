-- The days whose readings retention has dropped: each is in the dump of that revision, which held
-- this version of the day. What arrives for such a day later is in `reading` again, alone; the next
-- dump is the dump in force together with it. A day's row in `day` stays, so that versions go on.
CREATE TABLE dropped_day (
    day        date        PRIMARY KEY,
    version    bigint      NOT NULL,
    revision   bigint      NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now()
);
