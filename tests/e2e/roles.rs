//! The programs as roles with the least rights (`scripts/roles.sql`).

use crate::snapshot::{failures, pin};
use crate::system::{self, KEY, LONG, client, connect};
use testutil::{Postgres, Process, Program, nats_url, poll, unique, workspace};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

pub(crate) async fn refuses(client: &Client, role: &str, statements: &[&str]) {
    for statement in statements {
        let error = match client.batch_execute(statement).await {
            Ok(()) => panic!("{role} may {statement}"),
            Err(error) => error,
        };
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{role}, {statement}: {error:?}"
        );
    }
}

/// The standard output of a process, and the failures in its log.
async fn said(mut process: Process, code: i32) -> String {
    let ended = process.wait(LONG).await;
    assert_eq!(ended, code, "{:?} {:?}", process.stdout(), process.output());
    process.stdout().join("\n") + &failures(&process.output())
}

#[tokio::test]
async fn each_program_works_with_no_more_than_its_rights() {
    let server = Postgres::start().await;
    let superuser = connect(server.url()).await;
    for statement in [
        r#"CREATE ROLE "The_Owner" LOGIN"#,
        r#"CREATE DATABASE fleet OWNER "The_Owner""#,
    ] {
        superuser.batch_execute(statement).await.unwrap();
    }
    let url = |role: &str| {
        let url = server.url().replacen("odograph@", &format!("{role}@"), 1);
        url.replacen("/odograph?", "/fleet?", 1)
    };
    let odograph = |command: &str, role: &str| Program::new("odograph").arg(command).env("DATABASE_URL", url(role));
    let script = std::fs::read_to_string(workspace().join("scripts/roles.sql")).unwrap();
    let admin = connect(&url("odograph")).await;
    let early = admin.batch_execute(&script).await.unwrap_err();
    pin("roles_before_the_tables", early.as_db_error().unwrap().message());
    admin.batch_execute("ROLLBACK").await.unwrap();

    said(odograph("migrate", "The_Owner").spawn(), 0).await;
    // A partition from before the roles were made, and a second run of the script.
    let owner = connect(&url("The_Owner")).await;
    let make = "SELECT make_partition('reading', 'reading_2024_04', '2024-04-01Z', '2024-05-01Z')";
    assert!(owner.query_one(make, &[]).await.unwrap().get::<_, bool>(0));
    assert!(!owner.query_one(make, &[]).await.unwrap().get::<_, bool>(0));
    for _ in 0..2 {
        admin.batch_execute(&script).await.unwrap();
    }

    // Readings of a month from before the roles, and of one whose partition is made on demand.
    let bus = nats_url(&unique("readings"));
    let mut ingestor = system::ingestor(&bus).start().await;
    let persistor = || system::persistor(&bus, &url("odograph_writer"));
    let flags = ["--migrate", "false", "--dead-letter-bytes", "1MiB"];
    let _persistor = persistor().args(flags).start().await;
    let lines: Vec<String> = ["2024-04-30T12:00:00Z", "2024-05-01T12:00:00Z", "2024-05-01T12:00:01Z"]
        .iter()
        .map(|time| format!(r#"{{"sensor":"speed","value":7,"timestamp":"{time}"}}"#))
        .collect();
    let upload = client()
        .post(format!("{}/ingest", ingestor.url().await))
        .bearer_auth(KEY)
        .body(lines.join("\n"));
    assert_eq!(upload.send().await.unwrap().status(), 200);
    let reader = connect(&url("odograph_reader")).await;
    poll(LONG, async || {
        let row = reader.query_one("SELECT count(*) FROM readings", &[]).await.unwrap();
        (row.get::<_, i64>(0) == 3).then_some(())
    })
    .await;

    let mut api = Program::new("api")
        .env("DATABASE_URL", url("odograph_reader"))
        .args(["--migrate", "false"])
        .start()
        .await;
    let api = format!("{}/api", api.url().await);
    for path in [
        "status",
        "devices",
        "sensors",
        "ingests",
        "statistics/latest",
        "statistics/sensor/speed/date/2024-05-01",
        "trends?sensor=speed&from=2024-04-30T00:00:00Z&to=2024-05-02T00:00:00Z&aggregation=1h",
    ] {
        let answer = client().get(format!("{api}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let folder = tempfile::tempdir().unwrap();
    let dumper = Program::new("dumper")
        .env("DATABASE_URL", url("odograph_dumper"))
        .env("BLOB_STORE_URL", format!("file://{}", folder.path().display()))
        .args(["--dump-date", "2024-05-01"]);
    said(dumper.spawn(), 0).await;
    let manifest = std::fs::read_to_string(folder.path().join("2024-05-01.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["readings"], 2);

    // A restore by the writer, of a day that is stored.
    let restore = odograph("restore", "odograph_writer")
        .env("BLOB_STORE_URL", format!("file://{}", folder.path().display()))
        .args(["--migrate", "false"]);
    let restored = said(restore.spawn(), 0).await;
    pin("a_restore_by_the_writer", &restored);
    // A rebuild by the writer.
    let rebuild = odograph("rebuild", "odograph_writer").env("EVENT_READER_URL", &bus);
    let rebuilt = said(rebuild.args(["--migrate", "false"]).spawn(), 0).await;
    pin("a_rebuild_by_the_writer", &rebuilt);
    // A role that may not migrate gets an error that says what to do.
    let refused = said(persistor().spawn(), 1).await;
    pin("a_role_that_may_not_migrate", &refused);

    // Dead letters: the writer's role keeps, evicts, lists and purges them; the other reads their lines.
    let bad = format!("{}\n", "x".repeat(4000)).repeat(400);
    let upload = client()
        .post(format!("{}/ingest", ingestor.url().await))
        .bearer_auth(KEY)
        .body(bad);
    let told = system::answer(upload.send().await.unwrap()).await.1;
    let writer = connect(&url("odograph_writer")).await;
    poll(LONG, async || {
        let row = writer
            .query_one("SELECT count(*) FROM dead_letter_gone WHERE evicted", &[])
            .await
            .unwrap();
        (row.get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    let receipt = client().get(format!("{api}/ingests/{}", told["id"].as_str().unwrap()));
    let (_, receipt) = system::answer(receipt.send().await.unwrap()).await;
    assert_eq!(receipt["invalid"].as_array().map(Vec::len), Some(100), "{receipt}");
    for (command, code) in [(&["redrive", "--all"][..], 1), (&["purge", "--all", "--yes"], 0)] {
        let dead = odograph("dead", "odograph_writer").args(command.iter().copied());
        said(dead.spawn(), code).await;
    }

    let dumper = connect(&url("odograph_dumper")).await;
    let both = [
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "DROP TABLE series",
        "DROP TABLE reading_2024_05",
        "ALTER TABLE series ADD mine int",
        "ALTER TABLE reading DETACH PARTITION reading_2024_05",
        "TRUNCATE reading",
        "TRUNCATE reading_2024_05",
        "DELETE FROM series",
        "DELETE FROM reading",
        "DELETE FROM reading_2024_05",
        "UPDATE reading SET value = 1",
        "UPDATE reading_2024_05 SET value = 1",
        "UPDATE series SET device = 'other'",
        "UPDATE refinery_schema_history SET version = 0",
        "DELETE FROM day",
        "SELECT drop_partition('reading', 'reading_2024_05')",
        "CREATE OR REPLACE FUNCTION make_partition(regclass, text, text, text) RETURNS boolean RETURN true",
    ];
    refuses(&writer, "the writer", &both).await;
    refuses(&reader, "the reader", &both).await;
    refuses(&dumper, "the dumper", &both).await;
    let more = [
        "INSERT INTO series (device, sensor) VALUES ('a', 'b')",
        "INSERT INTO reading VALUES (1, '2024-05-02Z', 1)",
        "INSERT INTO reading_2024_05 VALUES (1, '2024-05-02Z', 1)",
        "INSERT INTO day VALUES ('2024-05-02', 1)",
        "UPDATE series SET latest_value = 1",
        "UPDATE day SET version = 9",
        "SELECT FROM dead_letter",
        "SELECT FROM dead_letter_gone",
        "DELETE FROM receipt_line",
        "SELECT make_partition('reading', 'reading_2024_06', '2024-06-01Z', '2024-07-01Z')",
    ];
    refuses(&reader, "the reader", &more).await;
    refuses(&dumper, "the dumper", &more).await;
    let dumped = "INSERT INTO dumped_day VALUES ('2024-05-02', gen_random_uuid(), 1, true)";
    refuses(&reader, "the reader", &[dumped]).await;
    let change = ["UPDATE dumped_day SET version = 9", "DELETE FROM dumped_day"];
    refuses(&dumper, "the dumper", &change).await;
    // `make_partition` makes only partitions, by their names, of the owner's tables.
    refuses(
        &writer,
        "the writer",
        &[
            "SELECT make_partition('reading', 'other_2024_06', '2024-06-01Z', '2024-07-01Z')",
            "SELECT make_partition('reading', 'reading_2024_06; DROP TABLE series', '2024-06-01Z', '2024-07-01Z')",
            "SELECT make_partition('series', 'series_2024_06', '2024-06-01Z', '2024-07-01Z')",
            "SELECT make_partition('pg_class', 'pg_class_1', '2024-06-01Z', '2024-07-01Z')",
        ],
    )
    .await;
    reader.batch_execute("SELECT FROM receipt_line").await.unwrap();
    // Dead letters, as the persistor of the last release stores and deletes them.
    writer
        .batch_execute(
            "INSERT INTO dead_letter (event_id, type, reason, payload) VALUES ('1', 't', 'r', '') ON CONFLICT DO NOTHING;
             DELETE FROM dead_letter WHERE buried < now() - interval '30 days'",
        )
        .await
        .unwrap();

    // A table of a later migration, with partitions that come and go.
    owner
        .batch_execute("CREATE TABLE later (id int, moment timestamptz) PARTITION BY RANGE (moment)")
        .await
        .unwrap();
    writer
        .batch_execute(
            "SELECT make_partition('later', 'later_2024_05_01', '2024-05-01Z', '2024-05-02Z');
             INSERT INTO later VALUES (1, '2024-05-01Z'); UPDATE later SET id = 2; DELETE FROM later_2024_05_01 WHERE id = 1;
             SELECT make_partition('later', 'later_2024_05_02', '2024-05-02Z', '2024-05-03Z');
             SELECT drop_partition('later', 'later_2024_05_02'), drop_partition('later', 'later_2024_05_03')",
        )
        .await
        .unwrap();
    reader
        .batch_execute("SELECT FROM later; SELECT FROM later_2024_05_01")
        .await
        .unwrap();
    refuses(
        &reader,
        "the reader",
        &[
            "DELETE FROM later",
            "SELECT drop_partition('later', 'later_2024_05_01')",
        ],
    )
    .await;
    refuses(
        &writer,
        "the writer",
        &[
            "DROP TABLE later",
            "SELECT drop_partition('series', 'later_2024_05_01')",
        ],
    )
    .await;
}

/// Tables of subscriptions, and what each role may do there. No other role may do anything.
const SUBSCRIBING: [(&str, &str, &str); 12] = [
    ("area", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("attempt", "", "SELECT, INSERT, DELETE"),
    ("change", "INSERT", "SELECT, INSERT, DELETE"),
    ("delivery", "", "SELECT, INSERT, DELETE"),
    ("evaluator", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("gap", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("interest", "SELECT", "SELECT, INSERT, UPDATE, DELETE"),
    ("progress", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("published", "", "SELECT, INSERT, DELETE"),
    ("replay", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("subscription", "", "SELECT, INSERT, UPDATE, DELETE"),
    ("told", "", "SELECT, INSERT, DELETE"),
];

/// The rights of a role over the tables of subscriptions, by table; those of partitions are their parents'.
async fn rights(admin: &Client, role: &str) -> Vec<(String, String)> {
    let all = "SELECT coalesce(parent.relname, it.relname)::text AS name, string_agg(DISTINCT held, ', ')
        FROM pg_class it
        LEFT JOIN pg_inherits ON inhrelid = it.oid
        LEFT JOIN pg_class parent ON parent.oid = inhparent
        CROSS JOIN LATERAL (
            SELECT coalesce(string_agg(privilege, ', ' ORDER BY number), '') AS held
            FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
                WITH ORDINALITY AS every (privilege, number)
            WHERE has_table_privilege($1::text, it.oid, privilege)
                OR privilege IN ('INSERT', 'UPDATE') AND has_any_column_privilege($1::text, it.oid, privilege)
        ) AS helds
        WHERE coalesce(parent.relname, it.relname) = ANY ($2) AND it.relkind IN ('r', 'p')
        GROUP BY 1 ORDER BY 1";
    let names: Vec<&str> = SUBSCRIBING.iter().map(|(name, _, _)| *name).collect();
    let rows = admin.query(all, &[&role, &names]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn check_rights(admin: &Client, notifier: bool) {
    let expected = |of: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let rows = SUBSCRIBING.iter().map(|row| (row.0.to_owned(), of(row).to_owned()));
        rows.collect::<Vec<_>>()
    };
    assert_eq!(rights(admin, "odograph_writer").await, expected(|row| row.1));
    assert_eq!(rights(admin, "odograph_reader").await, expected(|_| ""));
    assert_eq!(rights(admin, "odograph_dumper").await, expected(|_| ""));
    let notifiers = rights(admin, "odograph_notifier").await;
    assert_eq!(
        notifiers,
        if notifier {
            expected(|row| row.2)
        } else {
            expected(|_| "")
        }
    );
}

#[tokio::test]
async fn messages_have_a_role_of_their_own() {
    let database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let messages = connect(&database.url_as("odograph_messages")).await;
    messages
        .batch_execute(
            "SELECT make_partition('message', 'message_1', '1', '2');
             INSERT INTO epoch VALUES (1, now(), NULL, '1 h');
             INSERT INTO message VALUES (1, 'a', 'x', now(), 'e');
             SELECT FROM messages, message_1, refinery_schema_history;
             UPDATE epoch SET closed = now();
             DELETE FROM message",
        )
        .await
        .unwrap();
    refuses(
        &messages,
        "the role of messages",
        &[
            "UPDATE message SET source = 'y'",
            "UPDATE epoch SET retention = '1 s'",
            "TRUNCATE message",
            "DROP TABLE message_1",
            "SELECT FROM reading",
            "SELECT FROM series",
            "SELECT FROM subscription",
            "SELECT FROM receipt",
            "SELECT make_partition('reading', 'reading_2024_06', '2024-06-01Z', '2024-07-01Z')",
        ],
    )
    .await;
    for role in [
        "odograph_writer",
        "odograph_reader",
        "odograph_dumper",
        "odograph_notifier",
    ] {
        let other = connect(&database.url_as(role)).await;
        let tables = [
            "SELECT FROM message",
            "SELECT FROM message_1",
            "SELECT FROM messages",
            "SELECT FROM epoch",
        ];
        refuses(&other, role, &tables).await;
    }
    let gone = "SELECT drop_partition('message', 'message_1'); DELETE FROM epoch";
    messages.batch_execute(gone).await.unwrap();
}

#[tokio::test]
async fn subscriptions_are_the_notifiers() {
    let database = testutil::database().await;
    testutil::give_roles(&database.url()).await;
    let admin = connect(&database.url()).await;
    check_rights(&admin, true).await;

    // The tables of an upgrade: the script before has set default privileges.
    let tables = SUBSCRIBING.map(|(name, _, _)| name).join(", ");
    let migration = ["V9__subscriptions.sql", "V10__gaps.sql"]
        .map(|file| std::fs::read_to_string(workspace().join("migrations").join(file)).unwrap())
        .join(";\n");
    let again = format!("DROP TABLE {tables}; DROP FUNCTION subscription_edited, interest_edited; {migration}");
    admin.batch_execute(&again).await.unwrap();
    check_rights(&admin, false).await;
    let writer = connect(&database.url_as("odograph_writer")).await;
    let noted = "INSERT INTO change (series, firsts, lasts) SELECT '{1}', ARRAY[now()], ARRAY[now()] FROM interest";
    writer
        .batch_execute(&format!(
            "SELECT make_partition('change', 'change_2024', '-infinity', 'infinity'); {noted}"
        ))
        .await
        .unwrap();
    testutil::give_roles(&database.url()).await;
    check_rights(&admin, true).await;
    writer.batch_execute(noted).await.unwrap();

    let notifier = connect(&database.url_as("odograph_notifier")).await;
    notifier
        .batch_execute(
            "SELECT make_partition(name::regclass, name || '_2024', '-infinity', 'infinity')
             FROM unnest(ARRAY['told', 'published', 'delivery', 'attempt']) AS name;
             INSERT INTO subscription (topic, filter, target_url) VALUES ('t1', 'true', 'https://example.org');
             UPDATE subscription SET enabled = false;
             INSERT INTO area VALUES ('home', '{}');
             UPDATE interest SET version = version + 1;
             UPDATE evaluator SET owner = gen_random_uuid(), seen = pg_current_snapshot();
             INSERT INTO told SELECT id, 'lada', 'rise', now() FROM subscription;
             INSERT INTO published (topic, id, data) VALUES ('t1', 'a', '{}');
             INSERT INTO delivery (subscription, seq, id, type, moment, data)
                 SELECT id, 1, gen_random_uuid(), 'odograph.message.v1', now(), '{}' FROM subscription;
             INSERT INTO attempt (subscription, seq, number, try, ms, outcome) SELECT id, 1, 1, 1, 9, 'delivered' FROM subscription;
             INSERT INTO progress (subscription, lane, number, upto) SELECT id, 0, 1, 1 FROM subscription
                 ON CONFLICT (shard, subscription, lane) DO UPDATE SET upto = 1;
             INSERT INTO replay (subscription, since, until, mode) SELECT id, now(), now(), 'all' FROM subscription;
             UPDATE replay SET state = 'done';
             BEGIN; LOCK TABLE reading IN ACCESS SHARE MODE; COMMIT;
             SELECT FROM reading, readings, series, dropped_day, refinery_schema_history;
             INSERT INTO clock_look VALUES (now(), gen_random_uuid(), 1); DELETE FROM clock_look;
             SELECT retell_entry('a', '{}');
             DELETE FROM subscription; DELETE FROM area; DELETE FROM progress; DELETE FROM replay;
             SELECT drop_partition('published', 'published_2024'), drop_partition('change', 'change_2024')",
        )
        .await
        .unwrap();
    let edits = notifier.query_one("SELECT edits FROM interest", &[]).await.unwrap();
    assert_eq!(edits.get::<_, i64>(0), 5);
    refuses(
        &notifier,
        "the notifier",
        &[
            "CREATE TABLE mine ()",
            "CREATE TEMPORARY TABLE mine ()",
            "DROP TABLE subscription",
            "TRUNCATE told",
            "UPDATE told SET silent = true",
            "UPDATE delivery_2024 SET seq = 2",
            "ALTER TABLE subscription DISABLE TRIGGER edited",
            "INSERT INTO reading VALUES (1, '2024-05-02Z', 1)",
            "DELETE FROM reading",
            "UPDATE series SET latest_value = 1",
            "INSERT INTO series (device, sensor) VALUES ('a', 'b')",
            "INSERT INTO day VALUES ('2024-05-02', 1)",
            "SELECT FROM dead_letter",
            "SELECT FROM receipt",
            "SELECT FROM dumped_day",
            "SELECT make_partition('reading', 'reading_2024_06', '2024-06-01Z', '2024-07-01Z')",
            "SELECT drop_partition('reading', 'reading_2024_06')",
        ],
    )
    .await;
    let subscribing = ["SELECT FROM change", "SELECT drop_partition('told', 'told_2024')"];
    refuses(&writer, "the writer", &subscribing).await;
    let dumper = connect(&database.url_as("odograph_dumper")).await;
    let hidden = ["SELECT FROM subscription", "SELECT FROM interest"];
    refuses(&dumper, "the dumper", &hidden).await;
}
