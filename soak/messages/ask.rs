//! A question for messages, and the comparison of its answer with the model.

use super::calls::{Caller, Failed};
use super::clock::now;
use super::event::{Name, id_of};
use super::model::{Judged, Record};
use super::shared::{Shared, count};
use super::wrong::Kind;
use bytes::Bytes;

/// An id that no message has.
const NOTHING: &str = "nothing";

/// Asks a server for these messages once, and for one that is not there. Notes what is wrong with the answer. Returns
/// whether there was one. Names may come twice: each message must be answered once, in order of first mention.
pub(super) async fn ask(caller: &mut Caller, at: usize, shared: &Shared, names: &[Name]) -> bool {
    let model = &shared.model;
    let mut asked: Vec<(Name, Record, String)> = Vec::with_capacity(names.len());
    let mut ids = Vec::with_capacity(names.len() + 1);
    for name in names {
        let id = name.id(model.seed());
        let is_new = !asked.iter().any(|(known, ..)| known == name);
        if is_new && let Some(record) = model.record(*name) {
            asked.push((*name, record, id.clone()));
        }
        ids.push(id);
    }
    ids.push(NOTHING.to_owned());
    let sent = now();
    let answer = caller.get(at, &ids).await;
    let answered = now();
    let events = match answer {
        Ok(events) => events,
        Err(Failed::Again(_)) => return false,
        Err(failed) => {
            let text = format!("a get of {} ids was answered with {failed:?}", ids.len());
            shared.wrong.add(Kind::Answer, text);
            return false;
        }
    };
    count(&shared.counts.gets, 1);
    count(&shared.counts.found, events.len());
    let mut found: Vec<Option<Bytes>> = vec![None; asked.len()];
    let mut next = 0;
    for event in events {
        let id = id_of(&event).unwrap_or_default();
        let skipped = asked[next..].iter().position(|(_, _, known)| known == id);
        let Some(skipped) = skipped else {
            let text = format!("{id:?} was answered twice, out of order or unasked, to a get of {ids:?}");
            shared.wrong.add(Kind::Twice, text);
            continue;
        };
        next += skipped + 1;
        found[next - 1] = Some(event);
    }
    for ((name, record, _), event) in asked.iter().zip(&found) {
        match model.judge(*name, record, (sent, answered), event.as_deref()) {
            Ok(Judged::Had) => count(&shared.counts.had, 1),
            Ok(Judged::HadNot) => count(&shared.counts.had_not, 1),
            Ok(Judged::Either) => {}
            Err((kind, text)) => shared.wrong.add(kind, format!("server {at}: {text}")),
        }
    }
    true
}
