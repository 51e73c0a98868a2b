-- What became of each upload: a row for each message that holds readings of it, or its totals.
-- Written in the transaction that stores the message's readings, so that a message which comes
-- again is known and not counted twice. Rows are only added; a whole day of uploads goes at once.
-- An upload's id is a UUID of version 7, which begins with its time: partitions are the UTC days
-- of that, made on demand and kept for seven days.
CREATE TABLE receipt (
    upload     uuid NOT NULL,
    message    uuid NOT NULL,
    persisted  int  NOT NULL,
    duplicates int  NOT NULL,
    conflicts  int  NOT NULL,
    failed     int  NOT NULL,
    accepted   bigint, -- the upload's totals, in the last of its messages
    rejected   bigint,
    PRIMARY KEY (upload, message)
) PARTITION BY RANGE (upload);
