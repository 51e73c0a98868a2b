//! Pauses between tries.

use std::time::Duration;

/// Pauses of which each is about twice the one before, without an end. Each is cut by up to half, at random, so that
/// tasks that failed together do not try again together.
#[derive(Clone, Debug)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// Pauses from `first` up to `longest`.
    pub const fn between(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// Pauses while a server does not answer: 100 ms to 5 s.
    pub const fn outage() -> Self {
        Self::between(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// Returns the pause after one more failure.
    pub fn grow(&mut self) -> Duration {
        let uncut = self.next;
        self.next = (uncut * 2).min(self.longest);
        uncut.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Makes the next pause the first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let ms = Duration::from_millis;
        let mut pauses = Pauses::between(ms(100), ms(500));
        for uncut in [100, 200, 400, 500, 500] {
            let pause = pauses.grow();
            assert!((ms(uncut) / 2..=ms(uncut)).contains(&pause), "{pause:?}");
        }
        pauses.reset();
        assert!(pauses.grow() <= ms(100));
    }
}
