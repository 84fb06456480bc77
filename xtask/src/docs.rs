//! Writes the pages that are made of declarations.

use anyhow::Result;

use crate::workspace::{Workspace, run, say};

/// Writes `docs/errors` anew. The test that compares the pages with the declarations writes them when it is told to.
pub(crate) fn docs() -> Result<()> {
    say("Writing docs/errors");
    let mut cargo = Workspace::find()?.cargo("test");
    cargo.args(["--workspace", "--quiet", "--test", "errors"]).env("SPAWN_WRITE_DOCS", "1");
    run(&mut cargo)
}
