//! `action.yml` names the inputs and outputs that the program knows, with the words of their declarations.

use std::path::{Path, PathBuf};

use spawn_action::{inputs, outputs};

/// The parts of the file that are made: what their first line begins with, their last line, and what is between them.
fn parts() -> [(&'static str, &'static str, String); 2] {
    [("  # inputs:", "  # end of inputs", of_inputs()), ("  # outputs:", "  # end of outputs", of_outputs())]
}

fn quoted(text: &str) -> String {
    // A string of JSON is one of YAML.
    serde_json::to_string(text.trim()).expect("text is JSON")
}

fn of_inputs() -> String {
    let input = |input: inputs::Input| {
        let required = if input.required { "    required: true\n" } else { "" };
        let default = input.default.map_or_else(String::new, |default| format!("    default: {}\n", quoted(default)));
        format!("  {}:\n    description: {}\n{required}{default}", input.name, quoted(&input.doc))
    };
    inputs::all().into_iter().map(input).collect()
}

fn of_outputs() -> String {
    outputs::ALL.iter().map(|output| format!("  {}:\n    description: {}\n", output.name, quoted(output.doc))).collect()
}

/// The file with its made parts made anew.
fn made(text: &str) -> String {
    parts().iter().fold(text.to_owned(), |text, (first, last, part)| {
        let begins = text.find(&format!("\n{first}")).unwrap_or_else(|| panic!("action.yml has no line {first:?}")) + 1;
        let begins = begins + text[begins..].find('\n').expect("it is not the last line") + 1;
        let ends = begins + text[begins..].find(&format!("{last}\n")).unwrap_or_else(|| panic!("action.yml has no line {last:?}"));
        [&text[..begins], part, &text[ends..]].concat()
    })
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")
}

#[test]
fn action_yml_is_what_the_declarations_say() {
    let text = std::fs::read_to_string(file()).expect("action.yml");
    let made = made(&text);
    if std::env::var_os("SPAWN_WRITE_DOCS").is_some() {
        std::fs::write(file(), &made).expect("action.yml");
        return;
    }
    assert!(text == made, "action.yml is not what action/src/inputs.rs and outputs.rs say; write it again: cargo xtask docs");
}
