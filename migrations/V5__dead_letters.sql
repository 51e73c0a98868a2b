-- Where a dead letter came from: the source of its event, and the lane of the bus; no lane for
-- rejected lines.
ALTER TABLE dead_letter ADD COLUMN source text NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN lane text;
