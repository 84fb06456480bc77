//! Processes, as `/proc/<pid>/stat` and `cmdline` tell them (proc_pid_stat(5)).

/// How much of a name the kernel keeps.
const COMM_MAX: usize = 15;

/// A process that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Process {
    /// Its name, cut to [`COMM_MAX`] bytes.
    comm: String,
    /// The file name of what it says is its program; empty if it says nothing.
    program: String,
    /// The device number of its terminal, 0 if it has none.
    pub(super) terminal: u32,
}

/// Reads one process; nothing if it has ended and only waits to be collected.
pub(super) fn read(stat: &[u8], cmdline: &[u8]) -> Result<Option<Process>, String> {
    let stat = String::from_utf8_lossy(stat);
    // The name may hold spaces and parentheses of its own.
    let parts = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    let fields = parts.map(|(comm, rest)| (comm, rest.split_whitespace().collect::<Vec<_>>()));
    let terminal = fields.as_ref().and_then(|(_, fields)| fields.get(4)?.parse::<i32>().ok());
    let (Some((comm, fields)), Some(terminal)) = (fields, terminal) else { return Err(format!("{stat:?} is no process")) };
    if matches!(fields[0], "Z" | "X") {
        return Ok(None);
    }
    let program = cmdline.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Ok(Some(Process { comm: comm.to_owned(), program: String::from_utf8_lossy(program).into_owned(), terminal: terminal.cast_unsigned() }))
}

impl Process {
    /// Whether this is what goes by the name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let is_cut = name.len() > COMM_MAX && name.is_char_boundary(COMM_MAX) && self.comm == name[..COMM_MAX];
        self.comm == name || self.program == name || is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(comm: &str, state: &str, cmdline: &[u8]) -> Option<Process> {
        let stat = format!("4711 ({comm}) {state} 1 4711 4711 34818 4711 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 0 0");
        read(stat.as_bytes(), cmdline).unwrap()
    }

    #[test]
    fn a_process_is_known_by_its_name_or_its_program() {
        for (comm, cmdline, names, others) in [
            ("sshd", &b"sshd: ubuntu@pts/0\0"[..], &["sshd"][..], &["ssh", "ubuntu@pts", ""][..]),
            // A script that names its interpreter has the script's name.
            (
                "jupyter-lab",
                b"/usr/bin/python3\0/usr/local/bin/jupyter-lab\0--no-browser\0",
                &["jupyter-lab", "python3"],
                &["jupyter", "/usr/bin/python3"],
            ),
            // A service may change its name and keep its arguments.
            ("MainThread", b"/opt/render farm/worker\0", &["worker", "MainThread"], &["farm"]),
            ("cut-after-fiftee", b"", &["cut-after-fiftee"], &["cut-after"]),
            ("a) S 1 2 (b", b"weird\0", &["a) S 1 2 (b", "weird"], &["b"]),
            ("kworker/0:1-events", b"", &["kworker/0:1-events"], &[""]),
        ] {
            let process = process(comm, "S", cmdline).unwrap();
            for name in names {
                assert!(process.is_called(name), "{comm}: {name}");
            }
            for name in others.iter().filter(|name| !name.is_empty()) {
                assert!(!process.is_called(name), "{comm}: {name}");
            }
        }
        // The kernel keeps fifteen bytes of what is called `spring-boot-application`.
        assert!(process("spring-boot-app", "S", b"java\0").unwrap().is_called("spring-boot-application"));
    }

    #[test]
    fn what_has_ended_runs_no_more() {
        for (state, runs) in [("R", true), ("S", true), ("D", true), ("T", true), ("Z", false), ("X", false)] {
            assert_eq!(process("sleep", state, b"sleep\0").is_some(), runs, "{state}");
        }
        assert_eq!(process("sleep", "S", b"").unwrap().terminal, 34818);
        for text in ["", "1 (a", "1 (a) S", "1 (a) S 1 1 1 x"] {
            assert!(read(text.as_bytes(), b"").is_err(), "{text:?}");
        }
    }
}
