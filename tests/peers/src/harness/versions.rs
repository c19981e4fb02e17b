//! Which versions of the peers were built in, or installed beside it.

/// From the lock file, which is what cargo built from.
const LOCK: &str = include_str!("../../Cargo.lock");
/// The peers that are Python packages, each a line `name==version`.
const PYTHON: &str = include_str!("../../memstore/requirements.txt");

pub(crate) struct Versions(Vec<(String, String)>);

impl Versions {
    pub(crate) fn of_this_build() -> Self {
        let mut versions = Self::read(LOCK);
        let pins = PYTHON.lines().filter_map(|line| line.split_once("=="));
        versions.0.extend(pins.map(|(name, version)| (name.to_owned(), version.to_owned())));
        versions
    }

    fn read(lock: &str) -> Self {
        let value = |line: &str, key: &str| {
            Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
        };
        let lines: Vec<&str> = lock.lines().collect();
        let packages = lines
            .windows(2)
            .filter_map(|pair| Some((value(pair[0], "name")?, value(pair[1], "version")?)));
        Self(packages.collect())
    }

    /// `name version` of each package, in one line; all of them where cargo
    /// built several versions.
    pub(crate) fn of(&self, packages: &[&str]) -> String {
        let named = packages
            .iter()
            .flat_map(|wanted| self.0.iter().filter(move |(name, _)| name == wanted));
        named.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AREAS;

    #[test]
    fn a_version_stands_below_its_name() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"x\"\n\n[[package]]\nname = \"b\"\nversion = \"4.0.0\"\n";
        assert_eq!(Versions::read(lock).of(&["b", "a", "c"]), "b 4.0.0, a 1.2.3");
    }

    #[test]
    fn every_peer_of_every_area_has_a_version() {
        let versions = Versions::of_this_build();
        for peer in AREAS.iter().flat_map(|area| area.peers) {
            assert!(versions.of(&[peer]).starts_with(peer), "{peer}");
        }
    }
}
