//! Programs that run on machines of others must not ask for more than those have.

use spawn_tests::programs::program;

/// The minor version of glibc 2 on Amazon Linux 2023, which is also Lambda's `provided.al2023`; Ubuntu 22.04 and later have newer ones.
const GLIBC_MINOR: u32 = 34;

/// The newest minor version of glibc 2 of which a program wants a symbol. Their versions stand in it as text, such as `GLIBC_2.34`.
fn wanted(name: &str) -> u32 {
    const MARK: &[u8] = b"GLIBC_2.";
    let bytes = std::fs::read(program(name)).expect("a program");
    let found = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).filter_map(|(at, _)| {
        let digits: Vec<u8> = bytes[at + MARK.len()..].iter().copied().take_while(u8::is_ascii_digit).collect();
        String::from_utf8(digits).ok()?.parse().ok()
    });
    found.max().unwrap_or_else(|| panic!("{name} names no version of glibc: is it linked statically?"))
}

#[test]
fn what_is_built_here_runs_on_amazon_linux_2023() {
    for name in ["spored", "spawn-reaper", "spawn-starter", "spawn-watcher", "terraform-provider-spawn", "spawn", "spawn-action"] {
        let minor = wanted(name);
        assert!(
            minor <= GLIBC_MINOR,
            "{name} asks for glibc 2.{minor}, and Amazon Linux 2023 has 2.{GLIBC_MINOR}: build it where glibc is older, or with cargo-zigbuild \
             for x86_64-unknown-linux-gnu.2.{GLIBC_MINOR}"
        );
    }
}
