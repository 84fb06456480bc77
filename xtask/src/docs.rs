//! Writes the pages that are made of declarations.

use anyhow::Result;

use crate::workspace::{Workspace, run, say};

/// Writes `docs` anew. The tests that compare the pages with the declarations write them when they are told to.
pub(crate) fn docs() -> Result<()> {
    say("Writing docs");
    let mut cargo = Workspace::find()?.cargo("test");
    cargo
        .args(["--workspace", "--quiet", "--test", "errors", "--test", "docs", "--test", "action_yml", "--test", "action_page"])
        .env("SPAWN_WRITE_DOCS", "1");
    run(&mut cargo)
}
