//! Reads the dead letters from their table.

use crate::body::invalid_of;
use anyhow::Context;
use futures_util::TryStreamExt;
use std::collections::BTreeMap;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

/// The dead letters of a run.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    /// None was evicted.
    pub(crate) complete: bool,
    /// Rejected lines by client and body, a bit each.
    pub(crate) lines: BTreeMap<(u32, u32), u32>,
    /// Dead letters that are not rejected lines of ours.
    pub(crate) strangers: Vec<String>,
}

impl DeadLetters {
    /// Reads all of them.
    pub(crate) async fn read(client: &Client) -> anyhow::Result<Self> {
        let gone = client
            .query_one("SELECT count(*) FROM dead_letter_gone", &[])
            .await
            .context("count the dead letters that went")?;
        let mut dead = Self {
            complete: gone.get::<_, i64>(0) == 0,
            ..Self::default()
        };
        let none: [&(dyn ToSql + Sync); 0] = [];
        let all = "SELECT type, reason, payload FROM dead_letter ORDER BY id";
        let rows = client.query_raw(all, none).await.context("read the dead letters")?;
        futures_util::pin_mut!(rows);
        while let Some(row) = rows.try_next().await.context("read a dead letter")? {
            dead.take(row.get(0), row.get(1), row.get(2));
        }
        Ok(dead)
    }

    fn take(&mut self, kind: &str, reason: &str, payload: &[u8]) {
        if kind != "odograph.rejected.v1" {
            self.strange(format!("a message of type {kind}: {reason}"));
            return;
        }
        for line in String::from_utf8_lossy(payload).lines() {
            let kept: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            let raw = kept["reading"].as_str().unwrap_or_default();
            match invalid_of(raw) {
                Some((client, number, line)) if line < 32 => {
                    *self.lines.entry((client, number)).or_default() |= 1 << line;
                }
                _ => self.strange(format!("a line that no client sent, or that was good: {line}")),
            }
        }
    }

    fn strange(&mut self, text: String) {
        if self.strangers.len() < 20 {
            self.strangers.push(text);
        }
    }
}
