//! `gpu-mutants`: faults that are put into a copy of `lyra-gpu`, one at a time,
//! to see whether its tests find them. It builds the crate once for each, and so
//! is no step of the gate.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::run::Call;
use crate::tree::Tree;
use crate::workspace::Workspace;

const SOURCES: &str = "crates/lyra-gpu/src";

/// A fault, and where it is put.
struct Mutant {
    name: &'static str,
    patches: &'static [Patch],
}

/// A file below [`SOURCES`], what stands there, and what is put in its place.
struct Patch {
    file: &'static str,
    before: &'static str,
    after: &'static str,
}

const MUTANTS: [Mutant; 7] = [
    Mutant {
        name: "victims that are not needed stay in the plan",
        patches: &[Patch {
            file: "plan.rs",
            before: "if brought - victims[index].bytes >= need {",
            after: "if need > brought {",
        }],
    },
    Mutant {
        name: "memory is released before it is seen to be back",
        patches: &[Patch {
            file: "scheduler/unloads.rs",
            before: "self.begin_verify(now, key, since, false);",
            after: "self.gone(now, key);",
        }],
    },
    Mutant {
        name: "what came back wraps below zero",
        patches: &[Patch {
            file: "scheduler/device.rs",
            before: "self.base + i128::from(self.sums.taken) - i128::from(self.unavailable())",
            after: "i128::from((self.base.max(0) as u64).wrapping_add(self.sums.taken).wrapping_sub(self.unavailable()))",
        }],
    },
    Mutant {
        name: "loads under way are not counted when one is admitted",
        patches: &[Patch {
            file: "scheduler/device.rs",
            before: "self.external + self.sums.committed()",
            after: "self.external + self.sums.committed() - self.sums.loading",
        }],
    },
    Mutant {
        name: "a model in use is evicted",
        patches: &[
            Patch { file: "scheduler/entry.rs", before: "&& self.refs == 0", after: "" },
            Patch {
                file: "scheduler/unloads.rs",
                before: "entry.state != State::Ready || entry.refs > 0 ||",
                after: "entry.state != State::Ready ||",
            },
        ],
    },
    Mutant {
        name: "what is leaving is not counted when victims are chosen",
        patches: &[Patch {
            file: "scheduler/place.rs",
            before: "u64::try_from(wanted - room(index) - coming(index)).ok()?",
            after: "u64::try_from(wanted - room(index)).ok()?",
        }],
    },
    Mutant {
        name: "a level ends at once",
        patches: &[Patch {
            file: "level.rs",
            before: "(now.saturating_sub(since) >= policy.transition)",
            after: "(now >= since)",
        }],
    },
];

/// Whether every one of them was found.
pub(crate) fn run(workspace: &Workspace) -> Result<bool, Failure> {
    let root = workspace.target().join("gpu-mutants");
    let copy = root.join("copy");
    for (path, text) in workspace.tree.texts() {
        write(&copy, path, text)?;
    }
    // A test that fails anyhow finds nothing.
    let failing = tests_that_find_it(&copy, &root.join("target"))?;
    if !failing.is_empty() {
        let what = format!("without any fault, these fail: {}", failing.join(", "));
        return Err(Failure::new(what, "mend them first, as `cargo test -p lyra-gpu` shows them"));
    }
    let mut lines = Vec::new();
    let mut is_any_left = false;
    for mutant in &MUTANTS {
        for (path, text) in mutant.texts(&workspace.tree)? {
            write(&copy, &path, &text)?;
        }
        let found = tests_that_find_it(&copy, &root.join("target"))?;
        is_any_left |= found.is_empty();
        lines.push(match found.is_empty() {
            true => format!("SURVIVED  {}", mutant.name),
            false => format!("found     {}: {}", mutant.name, found.join(", ")),
        });
        for patch in mutant.patches {
            let path = format!("{SOURCES}/{}", patch.file);
            write(&copy, &path, workspace.tree.text(&path).unwrap_or_default())?;
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
    Ok(!is_any_left)
}

impl Mutant {
    /// The files with the fault in them.
    fn texts(&self, tree: &Tree) -> Result<Vec<(String, String)>, Failure> {
        let patched = self.patches.iter().map(|patch| {
            let path = format!("{SOURCES}/{}", patch.file);
            let text = tree.text(&path).unwrap_or_default();
            let count = text.matches(patch.before).count();
            if count == 1 {
                return Ok((path, text.replace(patch.before, patch.after)));
            }
            Err(Failure::new(
                format!("{path} has `{}` {count} times, not once", patch.before),
                "write the patch anew in xtask/src/gpu_mutants.rs",
            ))
        });
        patched.collect()
    }
}

fn write(root: &Path, path: &str, text: &str) -> Result<(), Failure> {
    let path = root.join(path);
    // What is the same keeps its date, so that cargo builds it once.
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|error| {
        Failure::new(format!("{}: {error}", path.display()), "make the build folder writable")
    })
}

/// Those that fail; a fault that does not build has found nobody.
fn tests_that_find_it(copy: &Path, target: &Path) -> Result<Vec<String>, Failure> {
    let target = target.display().to_string();
    let tests = ["test", "-p", "lyra-gpu", "--lib", "--offline", "--target-dir", &target];
    let built = Call::cargo(&[&tests[..], &["--no-run"]].concat()).output(copy)?;
    if !built.success {
        return Err(Failure::new(
            format!("a mutant does not build:\n{}", built.stderr),
            "write the patch anew in xtask/src/gpu_mutants.rs",
        ));
    }
    let call = Call::cargo(&tests).env("LYRA_TEST_SEED", "1").env("RUST_BACKTRACE", "0");
    let output = call.output(copy)?;
    let failed = output.stdout.lines().filter_map(|line| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    });
    Ok(failed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_one_place_in_the_sources() {
        let tree = Tree::read(&Workspace::root().unwrap()).unwrap();
        for mutant in &MUTANTS {
            assert!(mutant.texts(&tree).is_ok(), "{}: {:?}", mutant.name, mutant.texts(&tree));
        }
    }
}
