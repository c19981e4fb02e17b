//! What no text of the repository may name: a developer's own folders, and the
//! hosts of package registries, which differ from one network to the next.

use super::Finding;
use crate::tree::Tree;

// Each is put together here, so that this file does not name them either.
const FOLDERS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/tmp/", "wt")];
const HOSTS: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("deb.debian", ".org"),
    concat!("snapshot.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("/arti", "factory/"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    // Cargo writes the registry's address into its lock files.
    let texts = tree.texts().filter(|(path, _)| !path.ends_with("Cargo.lock"));
    texts
        .flat_map(|(path, text)| {
            text.lines().enumerate().flat_map(move |(index, line)| {
                let folders = FOLDERS.iter().filter(|folder| names_folder(line, folder));
                let hosts = HOSTS.iter().filter(|host| line.contains(**host));
                let folders = folders.map(move |folder| {
                    Finding::at_line(
                        path,
                        index,
                        format!("names the folder {folder} of some machine; make it relative"),
                    )
                });
                let hosts = hosts.map(move |host| {
                    Finding::at_line(
                        path,
                        index,
                        format!("names the host {host}; say `the Rust registry`, `PyPI`, `Debian`"),
                    )
                });
                folders.chain(hosts)
            })
        })
        .collect()
}

/// Whether the path is absolute where it stands, not the end of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~}$*)".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    #[test]
    fn a_folder_of_some_machine_is_found() {
        for folder in FOLDERS {
            for (before, after) in [("", "x"), ("see ", "me"), ("\"", "a/b\""), ("file://", "x")] {
                let line = format!("{before}{folder}{after}\n");
                assert_finds(
                    check,
                    &good_tree().with("crates/lyra-retry/README.md", &line),
                    "README.md:1: ",
                );
            }
        }
    }

    #[test]
    fn a_folder_below_another_is_not_found() {
        for folder in &FOLDERS[..2] {
            for before in ["target", "$DIR", "${DIR}", "~", ".", "x-"] {
                let line = format!("{before}{folder}");
                assert!(check(&good_tree().with("README.md", &line)).is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn the_host_of_a_registry_is_found_except_in_a_lock_file() {
        for host in HOSTS {
            let text = format!("line\nfrom https://index.{host}/simple\n");
            assert_finds(check, &good_tree().with(".ci/run", &text), ".ci/run:2: ");
            assert!(check(&good_tree().with("tests/peers/Cargo.lock", &text)).is_empty());
        }
    }
}
