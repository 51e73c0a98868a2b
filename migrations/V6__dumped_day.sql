-- The dumps that this database knows: those that were written from it, and those that were restored
-- into it. A dump in force that is not here was written from another database, or from this one
-- before it was set back to an older state: it may hold readings that are not here, and how its
-- version compares with the day's says nothing. A row for each dump, written before its manifest.
CREATE TABLE dumped_day (
    day     date    NOT NULL,
    dump    uuid    NOT NULL, -- the manifest's id
    version bigint  NOT NULL, -- the day's version that is in it; below 0 where the day holds more
    whole   boolean NOT NULL, -- every reading of the dump was here at that version
    PRIMARY KEY (day, dump)
);
