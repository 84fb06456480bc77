//! What a release consists of: names by the rules of Terraform's registry, archives, sums, and a mirror. `tests` includes this file, so
//! that what Terraform installs there is what is released.
//!
//! The rules: <https://developer.hashicorp.com/terraform/registry/providers/publishing>, and of mirrors
//! <https://developer.hashicorp.com/terraform/cli/config/config-file> ("packed layout").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Read as _, Result, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

/// The provider's program, and what the names of its files begin with.
pub const PROVIDER: &str = "terraform-provider-spawn";

/// What the names of the command's files begin with.
pub const COMMAND: &str = "spawn";

/// The command, and what set-up uploads, which it looks for beside itself.
pub const COMMAND_PROGRAMS: [&str; 5] = ["spawn", "spored", "spawn-reaper", "spawn-starter", "spawn-watcher"];

/// The Action's program, and what the names of its files begin with.
pub const ACTION: &str = "spawn-action";

/// Which protocol the provider speaks. A registry that is not told takes it for 5.0.
pub const MANIFEST: &str = r#"{
  "version": 1,
  "metadata": {
    "protocol_versions": ["6.0"]
  }
}
"#;

/// Where the provider is in a mirror.
const ADDRESS: &str = "registry.terraform.io/spawn-dev/spawn";

/// A version for a platform.
#[derive(Debug)]
pub struct Release {
    /// The version, without a `v`.
    pub version: String,
    /// The platform in the words of Go, which are Terraform's.
    pub platform: String,
}

impl Release {
    /// This version, for the platform it is built on.
    pub fn here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), platform: format!("{}_{architecture}", std::env::consts::OS) }
    }

    /// The name of an archive, of [`PROVIDER`] or of [`COMMAND`].
    pub fn archive(&self, product: &str) -> String {
        format!("{product}_{}_{}.zip", self.version, self.platform)
    }

    /// The name of the Action's program, by which its shim asks for it.
    pub fn action(&self) -> String {
        format!("{ACTION}_{}_{}", self.version, self.platform)
    }

    /// The name of a product's sums.
    pub fn sums(&self, product: &str) -> String {
        format!("{product}_{}_SHA256SUMS", self.version)
    }

    /// The name of [`MANIFEST`].
    pub fn manifest(&self) -> String {
        format!("{PROVIDER}_{}_manifest.json", self.version)
    }

    /// What the provider's archive holds: its program, under the name by which Terraform finds it, and the licence from the repository's
    /// root.
    pub fn provider_files(&self, program: &Path, root: &Path) -> Vec<Packed> {
        let name = format!("{PROVIDER}_v{}", self.version);
        vec![Packed { name, from: program.to_owned(), mode: 0o755 }, Packed::text(root, "LICENSE")]
    }

    /// Puts the provider's archive that lies in `directory` into the mirror beside it, and answers with the mirror.
    ///
    /// # Errors
    /// If a file cannot be made there.
    pub fn mirror(&self, directory: &Path) -> Result<PathBuf> {
        let (archive, mirror) = (directory.join(self.archive(PROVIDER)), directory.join("mirror"));
        let place = mirror.join(ADDRESS);
        std::fs::create_dir_all(&place)?;
        let there = place.join(self.archive(PROVIDER));
        // A link to what was packed before, or a copy of it.
        match std::fs::remove_file(&there) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::hard_link(&archive, &there).or_else(|_| std::fs::copy(&archive, &there).map(drop))?;
        Ok(mirror)
    }
}

/// A file of an archive.
#[derive(Debug)]
pub struct Packed {
    name: String,
    from: PathBuf,
    mode: u32,
}

impl Packed {
    fn text(directory: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), from: directory.join(name), mode: 0o644 }
    }
}

/// What the command's archive holds: programs that were built, and texts of the repository's root.
pub fn command_files(programs: &Path, root: &Path) -> Vec<Packed> {
    let programs = COMMAND_PROGRAMS.map(|name| Packed { name: name.to_owned(), from: programs.join(name), mode: 0o755 });
    programs.into_iter().chain(["LICENSE", "README.md"].map(|name| Packed::text(root, name))).collect()
}

/// Makes an archive. The same files make the same bytes, whenever and wherever they were built: they have one time, the mode that is said
/// here, and the order in which they are given. It is there as a whole or not at all.
///
/// # Errors
/// If a file cannot be read, with its name, or the archive not be written.
pub fn pack(files: &[Packed], compression: CompressionMethod, archive: &Path) -> Result<()> {
    let new = archive.with_extension("new");
    // The time is 1980-01-01, the earliest there is.
    let options = SimpleFileOptions::default().compression_method(compression).last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(BufWriter::new(File::create(&new)?));
    for file in files {
        zip.start_file(&file.name, options.unix_permissions(file.mode))?;
        let from = File::open(&file.from).map_err(|error| Error::new(error.kind(), format!("{}: {error}", file.from.display())));
        std::io::copy(&mut from?, &mut zip)?;
    }
    zip.finish()?.flush()?;
    std::fs::rename(new, archive)
}

/// The SHA-256 of files in a directory, by name, as `sha256sum --check` and the registry read them.
///
/// # Errors
/// If a file cannot be read.
pub fn sums(directory: &Path, names: &[String]) -> Result<String> {
    let mut names = names.to_vec();
    names.sort();
    names.iter().map(|name| Ok(format!("{}  {name}\n", sha256(&directory.join(name))?))).collect()
}

/// The table by which the Action's shim knows the programs of a version, of which this directory holds those of all platforms.
///
/// # Errors
/// If it cannot be read, or holds none.
pub fn hashes(directory: &Path, version: &str) -> Result<String> {
    let mut known = BTreeMap::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(&format!("{ACTION}_{version}_linux_")) {
            known.insert(name.clone(), sha256(&directory.join(name))?);
        }
    }
    if known.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("no {ACTION}_{version}_… is in {}", directory.display())));
    }
    let table = serde_json::json!({ "sha256": known, "version": version });
    Ok(format!("{table:#}\n"))
}

/// A file's SHA-256 in hex, without the whole file in memory.
fn sha256(path: &Path) -> Result<String> {
    let (mut file, mut sha256, mut part) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex::encode(sha256.finalize())),
            read => sha256.update(&part[..read]),
        }
    }
}

/// The configuration by which Terraform takes the provider from a mirror, and every other one from where it comes.
pub fn configuration(mirror: &Path) -> String {
    let (path, provider) = (mirror.display().to_string(), "[\"spawn-dev/spawn\"]");
    format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path    = {path:?}\n    include = {provider}\n  }}\n  \
         direct {{\n    exclude = {provider}\n  }}\n}}\n"
    )
}
