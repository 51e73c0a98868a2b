//! What `odograph up` prints when it runs.

use super::journal::Started;
use std::io::Write;

/// All addresses, with commands that work as they stand.
pub(super) struct Greeting<'a> {
    pub(super) page: &'a str,
    /// Whether reading needs a key.
    pub(super) is_closed: bool,
    pub(super) url: &'a str,
    pub(super) key: &'a str,
    pub(super) subscriptions: &'a str,
    /// None: its port is taken.
    pub(super) messages: Option<&'a str>,
    /// None: its port is taken.
    pub(super) journal: Option<&'a Started>,
    pub(super) dumps: &'a str,
    pub(super) psql: &'a str,
    pub(super) is_demo: bool,
}

impl Greeting<'_> {
    pub(super) fn print(&self) {
        let Self {
            page,
            url,
            key,
            subscriptions,
            dumps,
            psql,
            ..
        } = self;
        let now = jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default();
        let moving = if self.is_demo {
            "\n  A simulated drive is under way: the page shows it move. Thirty days of others come beside it.\n"
        } else {
            ""
        };
        let who = if self.is_closed {
            "Machines that reach this one can open it with a key that reads."
        } else {
            "Any machine that reaches this one can open it, without a key. --read-key asks for one."
        };
        let messages = self.messages.map_or("none: their port is taken".to_owned(), |url| {
            format!("{url} (gRPC, for this machine)")
        });
        let put = self.messages.map(|url| {
            let program = std::env::current_exe().unwrap_or_else(|_| "odograph".into());
            format!(
                "  echo '{{\"id\":\"1\",\"source\":\"car\",\"textData\":\"half full\"}}' | {} messages put - --url {url}\n",
                program.display()
            )
        });
        let put = put.unwrap_or_default();
        let journal = self.journal.map_or("none: its port is taken", |journal| &journal.url);
        let post = self.journal.map(|Started { url, key, .. }| {
            format!("  curl -H 'Authorization: Bearer {key}' {url} -d '{{\"text\":\"first drive with #odograph\"}}'\n")
        });
        let post = post.unwrap_or_default();
        let _unread = write!(
            std::io::stdout(),
            "
Odograph is running.

  Open              {page}
                    {who}

  Send readings to  {url}
  with the key      {key}

  API               {page}/api/status
  Subscriptions     {subscriptions}
  Messages          {messages}
  Journal           {journal}
  SQL               {psql}
  Daily dumps       {dumps}
{moving}
Try it:

  curl -u {key}: {url} --data-binary \\
    '{{\"sensor\":\"speed\",\"value\":55.5,\"timestamp\":\"{now}\"}}'
{post}{put}
Ctrl-C ends it; the data stays.

"
        );
    }
}
