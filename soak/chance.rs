//! Seeded random numbers: the same seed draws the same load and the same sequence of faults everywhere.

/// Hashes numbers into one, so that random properties can be computed again from an index.
pub(crate) fn mix(words: &[u64]) -> u64 {
    let mut state = 0x0D06_0647_u64;
    for word in words {
        // The finalizer of splitmix64.
        state = (state ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    state
}

/// A sequence of random draws.
pub(crate) struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    /// The sequence of this seed; `what` separates the users of one seed.
    pub(crate) fn new(seed: u64, what: u64) -> Self {
        Self {
            seed: mix(&[seed, what]),
            drawn: 0,
        }
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        mix(&[self.seed, self.drawn]) % bound
    }

    /// True with this probability.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Shuffles a slice.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            things.swap(last, other);
        }
    }
}
