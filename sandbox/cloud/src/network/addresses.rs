//! Which addresses of a subnet are taken.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::cidr::Block;

/// The addresses of a subnet.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    first: u32,
    usable: u32,
    next: u32,
    taken: BTreeSet<u32>,
}

impl Addresses {
    /// All free.
    pub(crate) fn of(block: Block) -> Self {
        Addresses { first: block.first() + 4, usable: block.usable(), next: 0, taken: BTreeSet::new() }
    }

    pub(crate) fn free(&self) -> u32 {
        self.usable - u32::try_from(self.taken.len()).unwrap_or(self.usable)
    }

    /// A free address. They are not used again before the block has been gone through once.
    pub(crate) fn take(&mut self) -> Option<Ipv4Addr> {
        for _ in 0..self.usable {
            let candidate = self.first + self.next;
            self.next = (self.next + 1) % self.usable;
            if self.taken.insert(candidate) {
                return Some(candidate.into());
            }
        }
        None
    }

    pub(crate) fn give_back(&mut self, address: &str) {
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            self.taken.remove(&u32::from(address));
        }
    }
}
