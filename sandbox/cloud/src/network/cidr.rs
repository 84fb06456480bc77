//! Blocks of IPv4 addresses.

use std::fmt;
use std::net::Ipv4Addr;

/// A block: `10.0.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    first: u32,
    length: u8,
}

impl Block {
    /// Reads a block. Bits beyond its length are dropped, as EC2 does.
    pub(crate) fn parse(text: &str) -> Option<Block> {
        let (address, length) = text.split_once('/')?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let length: u8 = length.parse().ok().filter(|n| *n <= 32)?;
        Some(Block { first: address & mask(length), length })
    }

    pub(crate) fn length(self) -> u8 {
        self.length
    }

    pub(crate) fn first(self) -> u32 {
        self.first
    }

    /// How many addresses instances of a subnet can have: EC2 keeps the first four and the last.
    pub(crate) fn usable(self) -> u32 {
        (1_u64 << (32 - self.length)).saturating_sub(5).try_into().unwrap_or(u32::MAX)
    }

    pub(crate) fn contains(self, other: Block) -> bool {
        self.length <= other.length && other.first & mask(self.length) == self.first
    }

    pub(crate) fn overlaps(self, other: Block) -> bool {
        self.contains(other) || other.contains(self)
    }
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", Ipv4Addr::from(self.first), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read() {
        let cases = [
            ("10.0.0.0/16", Some("10.0.0.0/16")),
            ("10.0.3.7/16", Some("10.0.0.0/16")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("1.2.3.4/32", Some("1.2.3.4/32")),
            ("10.0.0.0", None),
            ("10.0.0.0/33", None),
            ("10.0.0/16", None),
            ("::/0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Block::parse(text).map(|b| b.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn blocks_lie_in_blocks() {
        let block = |text| Block::parse(text).unwrap();
        let cases = [
            ("10.0.0.0/16", "10.0.1.0/24", true, true),
            ("10.0.1.0/24", "10.0.0.0/16", false, true),
            ("10.0.0.0/16", "10.1.0.0/24", false, false),
            ("0.0.0.0/0", "10.1.0.0/24", true, true),
            ("10.0.0.0/24", "10.0.0.0/24", true, true),
        ];
        for (a, b, contains, overlaps) in cases {
            assert_eq!((block(a).contains(block(b)), block(a).overlaps(block(b))), (contains, overlaps), "{a} and {b}");
        }
        assert_eq!(block("10.0.0.0/28").usable(), 11);
        assert_eq!(block("10.0.0.0/20").usable(), 4091);
    }
}
