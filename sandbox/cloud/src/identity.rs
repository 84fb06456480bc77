//! Ids and other values that look random and follow from a seed.

/// A small generator with a full period (SplitMix64): enough for ids, and the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    state: u64,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator { state: mix(seed ^ 0x9e37_79b9_7f4a_7c15) }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// An id as EC2 writes them: the prefix and 17 hexadecimal digits, the first of them a zero.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.next_u64())
    }
}

/// Spreads the bits of one number over all of another.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of names that never changes between versions or machines (FNV-1a, then mixed).
pub(crate) fn stable_hash(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // The separator keeps ("ab", "c") and ("a", "bc") apart.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(hash)
}

/// An id that follows from names alone, for what exists before the first call: images, networks.
pub(crate) fn stable_id(prefix: &str, parts: &[&str]) -> String {
    format!("{prefix}-0{:016x}", stable_hash(parts))
}

/// Whether `id` has the form of an id with this prefix: 8 or 17 hexadecimal digits.
pub(crate) fn is_well_formed(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}
