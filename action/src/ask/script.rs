//! Lines of shell as the command of a fleet.

use spawn_model::problem::{Path, Problem};

/// The longest argument that Linux hands to a program, its end included (`MAX_ARG_STRLEN`).
const BYTES_MAX: usize = 128 * 1024 - 1;

/// What keeps a machine whose command is over.
const STAYS: &str = "exec sleep infinity";

/// Runs a command, and if it fails says so in a line of its own, whatever was printed last, and stays, so that somebody can look: `$1` is the word that the
/// line begins with.
const KEPT: &str = r#"word=$1; shift; "$@"; code=$?; [ "$code" = 0 ] && exit 0; printf '\n%s %s\n' "$word" "$code"; exec sleep infinity"#;

/// The command that runs lines of shell as a workflow's author expects of `run`: the first that fails ends them.
pub(crate) fn command(script: &str, stays: bool, problems: &mut Vec<Problem>) -> Vec<String> {
    let script = if stays { format!("{script}\n{STAYS}\n") } else { script.to_owned() };
    if script.len() > BYTES_MAX {
        let message = format!("{} bytes are more than the {BYTES_MAX} that a program can be given", script.len());
        problems.push(Problem::new(&Path::field("run"), message, "Put them into a script of the workspace, and write `./script`"));
    }
    words(&["bash", "-e", "-c", &script])
}

/// The command of machines that only wait.
pub(crate) fn nothing() -> Vec<String> {
    words(&["sleep", "infinity"])
}

/// The same command on a machine that stays if it fails. A line that begins with `word` tells its exit code.
pub(crate) fn kept(command: &[String], word: &str) -> Vec<String> {
    words(&["bash", "-c", KEPT, "bash", word]).into_iter().chain(command.iter().cloned()).collect()
}

/// The exit code that such a line tells.
pub(crate) fn code_told(line: &str, word: &str) -> Option<i64> {
    line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok()
}

/// What a script names as `./…`.
pub(crate) fn programs(script: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| c.is_whitespace() || "\"'`;|&()<>=$\\".contains(c);
    script.split(separates).filter(|word| word.starts_with("./") && !word.split('/').any(|part| part == ".."))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn programs_of_a_script_are_found() {
        for (script, expected) in [
            ("./integration-test.sh", &["./integration-test.sh"][..]),
            (
                "make -C x && bash ./a/b.sh \"./c d\" > ./out\npython3 './e.py' --in=./f.csv",
                &["./a/b.sh", "./c", "./out", "./e.py", "./f.csv"],
            ),
            ("cd .. && ../x; echo a./b ./../c", &[]),
            ("X=$(./x)", &["./x"]),
        ] {
            assert_eq!(programs(script).collect::<Vec<_>>(), expected, "{script}");
        }
    }

    #[test]
    fn a_script_is_data_and_its_first_failure_ends_it() {
        let mut problems = Vec::new();
        let made = command("echo \"it's $0\"\nfalse\necho never", false, &mut problems);
        let ran = Command::new(&made[0]).args(&made[1..]).output().unwrap();
        assert_eq!((String::from_utf8(ran.stdout).unwrap().as_str(), ran.status.code()), ("it's bash\n", Some(1)));
        assert_eq!(problems, []);
        command(&"x".repeat(BYTES_MAX + 1), false, &mut problems);
        assert_eq!(problems.len(), 1);
        assert!(command("serve &", true, &mut Vec::new())[3].ends_with("serve &\nexec sleep infinity\n"));
    }

    #[test]
    fn a_command_that_is_kept_tells_how_it_ended() {
        let kept = |code: &str| kept(&words(&["bash", "-c", &format!("echo says; exit {code}")]), "kept-ab");
        let well = kept("0");
        let ran = Command::new(&well[0]).args(&well[1..]).output().unwrap();
        assert_eq!((String::from_utf8(ran.stdout).unwrap().as_str(), ran.status.code()), ("says\n", Some(0)));
        // What stays is not waited for.
        let badly: Vec<String> = kept("7").iter().map(|word| word.replace("exec sleep infinity", "exit 0")).collect();
        let ran = Command::new(&badly[0]).args(&badly[1..]).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(text, "says\n\nkept-ab 7\n");
        assert_eq!(text.lines().filter_map(|line| code_told(line, "kept-ab")).collect::<Vec<_>>(), [7]);
        assert_eq!((code_told("kept-abc 7", "kept-ab"), code_told("kept-ab x", "kept-ab")), (None, None));
    }
}
