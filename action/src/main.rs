//! The Action's program.

fn main() {}
