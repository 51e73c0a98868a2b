//! Reads server-sent events.

/// Most bytes of an event.
const LARGEST: usize = 1024 * 1024;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// The bytes are no stream of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads events from pieces of a stream, and keeps the last id.
#[derive(Debug, Default)]
pub(super) struct Events {
    rest: Vec<u8>,
    id: Option<String>,
}

impl Events {
    /// The last id, to go on from.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Begins a new stream; what the one before left unfinished is dropped.
    pub(super) fn begin(&mut self) {
        self.rest.clear();
    }

    /// The events that end in these bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, Malformed> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            let block = std::str::from_utf8(&block).map_err(|_| Malformed)?;
            events.extend(self.event(block));
        }
        if self.rest.len() > LARGEST {
            return Err(Malformed);
        }
        Ok(events)
    }

    fn event(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data) = (None, None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.id = Some(id.to_owned()),
                Some(("event", event)) => name = Some(event.to_owned()),
                Some(("data", given)) => data = Some(given.to_owned()),
                _ => {}
            }
        }
        Some(Event {
            name: name?,
            data: data?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_the_stream_is_cut() {
        let stream = ": keep-alive\nid: 1\n\nretry: 2000\nevent: hello\ndata: {}\n\nid: 2\nevent: latest\ndata: {\"device\": \"l\u{e4}da\"}\n\nid: 3\nevent: la";
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let expected = [event("hello", "{}"), event("latest", "{\"device\": \"l\u{e4}da\"}")];
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                found.extend(events.take(piece).unwrap());
            }
            assert_eq!(found, expected, "{size}");
            // The third block did not end.
            assert_eq!(events.id(), Some("2"));
            events.begin();
            assert_eq!(events.take(b"event: day\ndata: 1\n\n"), Ok(vec![event("day", "1")]));
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let mut events = Events::default();
        assert_eq!(events.take(&vec![b'x'; LARGEST + 1]), Err(Malformed));
        assert_eq!(Events::default().take(b"\xff\n\n"), Err(Malformed));
    }
}
