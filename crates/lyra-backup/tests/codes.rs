//! Every code is documented with its hint. (That each is expected by a test is
//! checked for all crates at once, in `lyra-tests`.)

use std::collections::BTreeSet;

use lyra_backup::CODES;

#[test]
fn the_readme_lists_every_code_with_its_hint() {
    let readme = include_str!("../README.md");
    let rows: BTreeSet<&str> = readme.lines().filter(|l| l.starts_with("| `backup.")).collect();
    assert_eq!(rows.len(), CODES.len());
    for code in CODES {
        let found = rows.iter().any(|row| {
            row.starts_with(&format!("| `{}` |", code.id()))
                && row.ends_with(&format!("| {} |", code.hint()))
        });
        assert!(found, "{} with the hint {:?}", code.id(), code.hint());
    }
}
