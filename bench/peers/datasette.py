"""Makes the SQLite file of a journal, from rows of CSV: id, author, text, hashtags. The rows are in the order of ids, so
that the newest have the greatest numbers. Pages have an index, words a full-text search."""

import csv
import sqlite3
import sys

rows, file = sys.argv[1:]
database = sqlite3.connect(file)
database.executescript(
    """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE entry (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, author TEXT NOT NULL, body TEXT NOT NULL, hashtags TEXT NOT NULL
    );
    CREATE TABLE tagged (
        hashtag TEXT NOT NULL, author TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (hashtag, author, id)
    ) WITHOUT ROWID;
    CREATE VIRTUAL TABLE words USING fts5 (body, content = 'entry', content_rowid = 'number');
    """
)


def entries():
    with open(rows, newline="", encoding="utf-8") as lines:
        for number, (id, author, body, hashtags) in enumerate(csv.reader(lines), 1):
            yield number, id, author, body, hashtags


def tagged():
    select = "SELECT number, id, author, hashtags FROM entry"
    for number, id, author, hashtags in database.execute(select):
        for hashtag in hashtags.split():
            yield hashtag, author, id, number


database.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", entries())
database.execute("CREATE TEMPORARY TABLE loose (hashtag, author, id, number)")
database.executemany("INSERT INTO loose VALUES (?, ?, ?, ?)", tagged())
database.commit()
database.executescript(
    """
    INSERT INTO tagged SELECT * FROM loose ORDER BY hashtag, author, id;
    INSERT INTO words (words) VALUES ('rebuild');
    INSERT INTO words (words) VALUES ('optimize');
    ANALYZE;
    """
)
database.close()
