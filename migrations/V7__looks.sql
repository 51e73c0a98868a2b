-- Looks at a clock by the programs that delete what is past its age: dead letters, receipts, months.
-- A clock that jumps ahead must delete nothing, so a thing goes only if it was past its age at a look a
-- day earlier, too. internal/reading/postgres/looks.rs has the rule.
CREATE TABLE clock_look (
    at      timestamptz PRIMARY KEY, -- what the clock showed
    process uuid        NOT NULL,    -- who looked
    running bigint      NOT NULL     -- how long it had run by then, in microseconds by its timer
);
