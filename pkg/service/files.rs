//! How many files and connections the process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What is left to files, databases, the bus and the admin port.
const OTHERS: usize = 256;

/// Raises the soft limit to the hard one. Shells and services start programs with a soft limit of 1,024, for the sake
/// of old ones that use `select`.
pub(crate) fn raise() {
    // Where it cannot be raised, fewer connections are taken.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// As many of the connections `asked` for as the limit has room for.
pub(crate) fn connections(asked: usize) -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, _)| soft);
    soft.map_or(asked, |soft| within(usize::try_from(soft).unwrap_or(usize::MAX), asked))
}

fn within(limit: usize, asked: usize) -> usize {
    // A tiny limit leaves a few, so that clients are told what is wrong.
    asked.min(limit.saturating_sub(OTHERS).max(limit / 4)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        assert_eq!(within(1024, 2048), 768);
        assert_eq!(within(1024, 100), 100);
        assert_eq!(within(524_288, 2048), 2048);
        assert_eq!(within(256, 2048), 64);
        assert_eq!(within(0, 2048), 1);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
