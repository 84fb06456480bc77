//! What is said in the job's log: lines, and commands that the runner obeys.
//!
//! Whatever machines of a fleet print may look like a command. While it is shown the runner obeys none, but for those that are made here.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// How much an annotation matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// Good to know.
    Notice,
    /// Nothing has failed yet.
    Warning,
    /// The step fails.
    Error,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What an annotation is about.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mark {
    pub(crate) title: String,
    /// A file of the workspace, as it is called there.
    pub(crate) file: Option<String>,
    /// From 1 on.
    pub(crate) line: Option<usize>,
}

impl Mark {
    /// Of no file.
    pub(crate) fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }
}

/// The log of the job.
#[derive(Clone)]
pub(crate) struct Console(Arc<Mutex<Log>>);

struct Log {
    to: Box<dyn Write + Send>,
    /// What has the runner obey again, while it obeys nothing.
    resumes: Option<String>,
}

impl Console {
    /// The log of this process's job.
    pub(crate) fn stdout() -> Self {
        Self::of(std::io::stdout())
    }

    fn of(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Log { to: Box::new(to), resumes: None })))
    }

    /// Says something, whatever is in it: a machine may have chosen a name that stands there.
    pub(crate) fn line(&self, line: &str) {
        self.lock().write(&plain(line));
    }

    /// Says whole lines.
    pub(crate) fn lines(&self, lines: &str) {
        self.lock().write(lines);
    }

    /// Says something that is shown beside the log, too.
    pub(crate) fn annotate(&self, level: Level, mark: &Mark, message: &str) {
        self.command(&annotation(level, mark, message));
    }

    /// Has the runner hide a secret wherever it is said from now on, each line by itself.
    pub(crate) fn mask(&self, secret: &str) {
        for line in secret.lines().filter(|line| !line.trim().is_empty()) {
            self.command(&format!("::add-mask::{}", data(line)));
        }
    }

    /// From now on the runner obeys nothing that is printed.
    pub(crate) fn stop_commands(&self) {
        self.lock().stop();
    }

    /// The runner obeys again.
    pub(crate) fn obey_commands(&self) {
        self.lock().resume();
    }

    fn command(&self, command: &str) {
        let mut log = self.lock();
        let was_stopped = log.resume();
        log.write(&format!("{command}\n"));
        if was_stopped {
            // By another word: this one has been said.
            log.stop();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn stop(&mut self) {
        let word = Uuid::new_v4().simple().to_string();
        self.write(&format!("::stop-commands::{word}\n"));
        self.resumes = Some(word);
    }

    /// Whether it was stopped.
    fn resume(&mut self) -> bool {
        let Some(word) = self.resumes.take() else { return false };
        self.write(&format!("::{word}::\n"));
        true
    }

    fn write(&mut self, text: &str) {
        // Nobody may be reading any more, and that changes nothing of what there is to do.
        let _ = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
    }
}

fn annotation(level: Level, mark: &Mark, message: &str) -> String {
    let line = mark.line.map(|line| line.to_string());
    let title = Some(&mark.title).filter(|title| !title.is_empty());
    let properties: Vec<String> = [("file", mark.file.as_ref()), ("line", line.as_ref()), ("title", title)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", property(value?))))
        .collect();
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{}{space}{}::{}", level.word(), properties.join(","), data(message))
}

/// Text as the value of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Lines in which a runner finds no command: at their beginning, or, of an older kind, anywhere.
fn plain(text: &str) -> String {
    let of_line = |line: &str| {
        let line = line.replace('\r', " ").replace("##[", "# #[");
        let begins = if line.trim_start().starts_with("::") { "> " } else { "" };
        format!("{begins}{line}\n")
    };
    text.split('\n').map(of_line).collect()
}

/// Text as a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What was said to a console.
    #[derive(Clone, Default)]
    pub(crate) struct Said(Arc<Mutex<Vec<u8>>>);

    impl Said {
        pub(crate) fn console(&self) -> Console {
            Console::of(self.clone())
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_said_is_no_command() {
        for (line, expected) in [
            ("rank 3 has ended", "rank 3 has ended\n"),
            ("::error::x", "> ::error::x\n"),
            ("kept: a\n \u{a0}::add-mask::b\rc", "kept: a\n>  \u{a0}::add-mask::b c\n"),
            ("note: ##[set-output name=a;]b", "note: # #[set-output name=a;]b\n"),
            ("", "\n"),
        ] {
            let said = Said::default();
            said.console().line(line);
            assert_eq!(said.text(), expected, "{line:?}");
        }
    }

    #[test]
    fn what_commands_are_made_of_is_escaped() {
        for (text, as_data, as_property) in [
            ("plain", "plain", "plain"),
            ("100%", "100%25", "100%25"),
            ("a\r\nb", "a%0D%0Ab", "a%0D%0Ab"),
            ("a:b,c", "a:b,c", "a%3Ab%2Cc"),
            ("::error::x", "::error::x", "%3A%3Aerror%3A%3Ax"),
            ("%0A", "%250A", "%250A"),
            ("Grüße 🛰", "Grüße 🛰", "Grüße 🛰"),
        ] {
            assert_eq!((data(text), property(text)), (as_data.to_owned(), as_property.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn an_annotation_says_where() {
        let mark = Mark { title: "spawn: bad, very".to_owned(), file: Some(".github/fleet.yaml".to_owned()), line: Some(3) };
        let told = annotation(Level::Error, &mark, "size: 0 instances\nare not possible");
        assert_eq!(told, "::error file=.github/fleet.yaml,line=3,title=spawn%3A bad%2C very::size: 0 instances%0Aare not possible");
        assert_eq!(annotation(Level::Notice, &Mark::default(), "a"), "::notice::a");
    }

    #[test]
    fn a_secret_is_masked_line_by_line() {
        let said = Said::default();
        said.console().mask("one\n\n  \ntwo%\n");
        assert_eq!(said.text(), "::add-mask::one\n::add-mask::two%25\n");
    }

    #[test]
    fn what_machines_print_is_obeyed_by_nobody() {
        let said = Said::default();
        let console = said.console();
        console.stop_commands();
        console.lines("::set-env name=PATH::/evil\n");
        console.annotate(Level::Warning, &Mark::default(), "ours");
        console.lines("::error::theirs\n");
        console.obey_commands();
        console.obey_commands();
        let text = said.text();
        let lines: Vec<&str> = text.lines().collect();
        let word = |line: &str| line.strip_prefix("::stop-commands::").map(str::to_owned);
        let (first, second) = (word(lines[0]).unwrap(), word(lines[4]).unwrap());
        assert!(first.len() == 32 && first != second, "{text}");
        assert_eq!(lines[1..4], ["::set-env name=PATH::/evil", &format!("::{first}::"), "::warning::ours"]);
        assert_eq!(lines[5..], ["::error::theirs", &format!("::{second}::")]);
    }
}
