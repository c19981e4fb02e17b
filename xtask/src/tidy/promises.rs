//! `tests/PROMISES.md`: a row for each promise, each with tests that exist.

use super::Finding;
use super::rust_text::{code_only, is_word};
use crate::tree::{Package, Tree};

pub(super) const PATH: &str = "tests/PROMISES.md";

/// What was promised, by number: each row stays until it works.
const PROMISES: [&str; 24] = [
    "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "2.1", "2.2", "2.3", "2.4", "2.5",
    "3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3", "4.4", "5.1", "5.2", "5.3",
];

const COLUMNS: [&str; 4] = ["#", "promise", "proven by", "state"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PATH) else {
        return vec![Finding::new(PATH, "is missing: it says which tests prove which promise")];
    };
    let mut findings = Vec::new();
    let mut numbers = Vec::new();
    let rows = text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    for (row, (index, line)) in rows.enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let &[number, promise, proofs, state] = cells.as_slice() else {
            findings.push(Finding::at_line(
                PATH,
                index,
                format!("the columns are {}", COLUMNS.join(", ")),
            ));
            continue;
        };
        if row == 0 && cells != COLUMNS {
            findings.push(Finding::at_line(
                PATH,
                index,
                format!("the columns are {}", COLUMNS.join(", ")),
            ));
        }
        // The head of the table and the rule below it.
        if row < 2 {
            continue;
        }
        numbers.push(number);
        let tests: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        let problem = match state {
            _ if promise.is_empty() => Some("says what was promised".to_owned()),
            "open" => None,
            "built" if tests.is_empty() => {
                Some("is built, so it names the tests that prove it".to_owned())
            }
            "built" => None,
            _ => Some(format!("is `open` or `built`, not `{state}`")),
        };
        findings.extend(
            problem.map(|problem| Finding::at_line(PATH, index, format!("{number} {problem}"))),
        );
        let unknown = tests.into_iter().filter_map(|test| find(tree, test).err());
        findings.extend(unknown.map(|problem| Finding::at_line(PATH, index, problem)));
    }
    if numbers != PROMISES {
        let missing: Vec<&str> =
            PROMISES.into_iter().filter(|number| !numbers.contains(number)).collect();
        findings.push(Finding::new(
            PATH,
            format!(
                "one row for each promise, in order, {} in all; missing: {missing:?}",
                PROMISES.len()
            ),
        ));
    }
    findings
}

/// Finds a test by its name, `package::target::module::…::name`: the target is
/// `lib` for unit tests, otherwise the name of a test target or of a binary.
fn find(tree: &Tree, proof: &str) -> Result<(), String> {
    let problem = |what: String| Err(format!("`{proof}`: {what}"));
    let parts: Vec<&str> = proof.split("::").collect();
    let [package, target, modules @ .., test] = parts.as_slice() else {
        return problem("is not `package::target::test`".to_owned());
    };
    let Some(package) = tree.package(package) else {
        return problem(format!("there is no package `{package}`"));
    };
    let Some(mut file) = root_of(tree, package, target) else {
        return problem(format!("`{}` has no target `{target}`", package.name));
    };
    let mut folder = file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    for module in modules {
        folder = format!("{folder}/{module}");
        let own = format!("{folder}.rs");
        if tree.has(&own) {
            file = own;
        } else if !has_inline_module(tree.text(&file).unwrap_or_default(), module) {
            return problem(format!("{file} has no module `{module}`"));
        }
    }
    match has_test(tree.text(&file).unwrap_or_default(), test) {
        true => Ok(()),
        false => problem(format!("{file} has no test `{test}`")),
    }
}

/// The file that a target starts in.
fn root_of(tree: &Tree, package: &Package, target: &str) -> Option<String> {
    let named = |section: &str| {
        let entries = package.manifest.get(section).and_then(toml::Value::as_array)?;
        let entry = entries
            .iter()
            .find(|entry| entry.get("name").and_then(toml::Value::as_str) == Some(target))?;
        Some(entry.get("path").and_then(toml::Value::as_str))
    };
    let mut candidates = Vec::new();
    if target == "lib" {
        candidates.push("src/lib.rs".to_owned());
    } else {
        candidates.extend(named("test").flatten().map(str::to_owned));
        candidates.push(format!("tests/{target}.rs"));
        candidates.push(format!("tests/{target}/main.rs"));
        candidates.extend(named("bin").flatten().map(str::to_owned));
        candidates.push(format!("src/bin/{target}.rs"));
        if target == package.name || named("bin").is_some() {
            candidates.push("src/main.rs".to_owned());
        }
    }
    candidates.iter().map(|file| package.path(file)).find(|path| tree.has(path))
}

fn has_inline_module(text: &str, module: &str) -> bool {
    let code = code_only(text);
    let opening = format!("mod {module} {{");
    code.lines().any(|line| line.contains(&opening))
}

/// Whether there is a function of this name with an attribute that makes it a
/// test: `#[test]`, `#[tokio::test(…)]`. Within `proptest!` it is the same
/// attribute, without which the function is never called.
fn has_test(text: &str, name: &str) -> bool {
    let code = code_only(text);
    let definition = format!("fn {name}");
    code.match_indices(&definition).any(|(at, _)| {
        let goes_on = code[at + definition.len()..].bytes().next().is_some_and(is_word);
        let before = &code[..at];
        // The attributes lie between the item before and this one. What they
        // say in quotes is blank, so that these three end only items.
        let attributes = before.rfind(['}', ';', '{']).map_or(before, |end| &before[end..]);
        !goes_on
            && attributes.split("#[").skip(1).any(|attribute| {
                let path = attribute.split([']', '(', ' ']).next().unwrap_or_default();
                path.rsplit("::").next() == Some("test")
            })
    })
}

#[cfg(test)]
pub(super) fn all_open() -> String {
    let rows: String =
        PROMISES.iter().map(|number| format!("| {number} | a promise | | open |\n")).collect();
    format!("| # | promise | proven by | state |\n|---|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{assert_finds, good_tree};

    fn claim(proofs: &str, state: &str) -> Tree {
        good_tree().replace(
            PATH,
            "| 5.1 | a promise | | open |",
            &format!("| 5.1 | a promise | {proofs} | {state} |"),
        )
    }

    #[test]
    fn a_built_promise_with_a_test_that_exists_is_fine() {
        assert!(check(&claim("`lyra-tests::agent::it_works_together`", "built")).is_empty());
        assert!(check(&claim("`lyra-tests::agent::it_works_together`", "open")).is_empty());
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        assert_finds(check, &claim("`lyra-tests::agent::it_works`", "built"), "no test `it_works`");
        assert_finds(check, &claim("`lyra-tests::robot::a`", "built"), "no target `robot`");
        assert_finds(check, &claim("`lyra-voice::agent::a`", "built"), "no package `lyra-voice`");
        assert_finds(check, &claim("`lyra-tests::agent::deep::a`", "built"), "no module `deep`");
        assert_finds(
            check,
            &claim("`it_works_together`", "built"),
            "is not `package::target::test`",
        );
    }

    #[test]
    fn a_built_promise_without_a_test_or_with_another_state_is_found() {
        assert_finds(check, &claim("", "built"), "names the tests");
        assert_finds(check, &claim("", "done"), "not `done`");
    }

    #[test]
    fn a_missing_row_table_or_file_is_found() {
        let tree = good_tree();
        assert_finds(check, &tree.replace(PATH, "| 3.3 | a promise | | open |\n", ""), "3.3");
        assert_finds(
            check,
            &tree.replace(
                PATH,
                "| 3.3 | a promise | | open |\n",
                "| 3.3 | a promise | | open |\n| 3.3 | a promise | | open |\n",
            ),
            "in order",
        );
        assert_finds(check, &tree.replace(PATH, "proven by", "tests"), "the columns are");
        assert_finds(check, &tree.without(PATH), "is missing");
    }

    #[test]
    fn a_function_is_a_test_by_its_own_attribute() {
        let text = "
            #[test]\n            fn plain() {}
            #[tokio::test(start_paused = true)]\n            async fn paused() {}
            #[test]\n            #[should_panic(expected = \"a; b\")]\n            fn panics() {}
            fn helper() {}
            // #[test]\n            fn commented() {}
            #[cfg(test)]\n            fn conditional() {}
            proptest! {
                #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
                #[test]\n                fn property(x in 0..9) {}
            }";
        for name in ["plain", "paused", "panics", "property"] {
            assert!(has_test(text, name), "{name}");
        }
        for name in ["helper", "commented", "conditional", "plai", "absent"] {
            assert!(!has_test(text, name), "{name}");
        }
    }

    #[test]
    fn tests_are_found_in_every_kind_of_target() {
        let test = "#[test]\nfn a() {}\n";
        let inline = "mod tests {\n#[test]\nfn a() {}\n}\n";
        let base = good_tree();
        for (path, text, proof) in [
            ("crates/lyra-retry/src/plan.rs", inline, "lyra-retry::lib::plan::tests::a"),
            ("crates/lyra-retry/src/plan/tests.rs", test, "lyra-retry::lib::plan::tests::a"),
            ("crates/lyra-retry/tests/kill.rs", test, "lyra-retry::kill::a"),
            ("crates/lyra-retry/tests/kill/main.rs", test, "lyra-retry::kill::a"),
            ("crates/lyra-cli/src/main.rs", test, "lyra-cli::lyra-cli::a"),
        ] {
            let mut tree = base.with(path, text);
            if path.ends_with("plan/tests.rs") {
                tree = tree.with("crates/lyra-retry/src/plan.rs", "mod tests;\n");
            }
            assert_eq!(find(&tree, proof), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_target_with_a_path_of_its_own_is_found() {
        let manifest = "crates/lyra-retry/Cargo.toml";
        let tree = good_tree()
            .replace(
                manifest,
                "[lints]",
                "[[test]]\nname = \"crash\"\npath = \"crash/all.rs\"\n[lints]",
            )
            .with("crates/lyra-retry/crash/all.rs", "#[test]\nfn a() {}\n");
        assert_eq!(find(&tree, "lyra-retry::crash::a"), Ok(()));
    }
}
