//! `lyra.toml`, overridden by `LYRA_…` variables, overridden by options.

mod gpu;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lyra::errors::Error;
use serde::{Deserialize, Serialize};
use snafu::IntoError as _;
use toml::{Table, Value};

use crate::args::Format;
use crate::error::{ConfigSnafu, NoSuchPathSnafu, UnknownKeySnafu, UnusablePathSnafu};
pub(crate) use gpu::GpuConfig;

/// The effective configuration. Its fields *are* the keys of `lyra.toml`, one
/// table per crate; a variable is named `LYRA_<TABLE>_<KEY>`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) memstore: MemstoreConfig,
    pub(crate) backup: BackupConfig,
    pub(crate) gpu: GpuConfig,
    pub(crate) log: LogConfig,
    pub(crate) cli: CliConfig,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MemstoreConfig {
    pub(crate) dir: PathBuf,
    pub(crate) collection: String,
    pub(crate) dimension: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct BackupConfig {
    pub(crate) source: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) prefix: String,
    pub(crate) level: i32,
    pub(crate) retention_days: u32,
    pub(crate) keep_last: u32,
}

/// Where logs are read, and where the command's own one goes if `own` says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogConfig {
    pub(crate) dir: PathBuf,
    pub(crate) own: bool,
    pub(crate) level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { dir: "logs".into(), own: false, level: "info".to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CliConfig {
    pub(crate) format: Format,
}

impl Default for MemstoreConfig {
    fn default() -> Self {
        Self { dir: "memory".into(), collection: "journal".to_owned(), dimension: 384 }
    }
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self {
            source: "memory".into(),
            dir: "backups".into(),
            prefix: "lyra".to_owned(),
            level: 3,
            retention_days: 30,
            keep_last: 3,
        }
    }
}

/// A configuration, and for each key that is not at its default who set it.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    origins: BTreeMap<String, String>,
}

/// The values that are paths. In a file they count from the file's directory.
const PATHS: [&str; 5] = ["memstore.dir", "backup.source", "backup.dir", "gpu.library", "log.dir"];

impl Loaded {
    /// Reads `file`, or `lyra.toml` where there is one, and the variables.
    pub(crate) fn load(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Error> {
        let named = file.map(Path::to_path_buf).or_else(|| variable("LYRA_CONFIG").map(Into::into));
        let file = named.clone().unwrap_or_else(|| "lyra.toml".into());
        let mut table = Table::new();
        let mut origins = BTreeMap::new();
        match std::fs::read_to_string(&file) {
            Ok(text) => read_file(&text, &file, &mut table, &mut origins)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if named.is_some() {
                    return Err(NoSuchPathSnafu { path: file }.build().into());
                }
            }
            Err(error) => return Err(UnusablePathSnafu { path: file }.into_error(error).into()),
        }
        read_variables(variable, &mut table, &mut origins)?;
        let config = table.try_into().map_err(|error: toml::de::Error| {
            let reason = one_line(&error);
            let guilty = origins.iter().find(|(key, _)| reason.contains(key.as_str()));
            let origin = guilty.map_or("", |(_, origin)| origin);
            ConfigSnafu { origin, reason }.build()
        })?;
        Ok(Self { config, origins })
    }

    /// Every key with its value as text and who set it, for people to read.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        leaves(&as_table(&self.config))
            .map(|(key, value)| Setting {
                value: shown(&key, &value),
                origin: self.origins.get(&key).cloned().unwrap_or_else(|| "default".to_owned()),
                key,
            })
            .collect()
    }
}

/// One key of the effective configuration.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: String,
}

fn read_file(
    text: &str,
    file: &Path,
    table: &mut Table,
    origins: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let origin = file.display().to_string();
    let read: Table = text
        .parse()
        .map_err(|error| ConfigSnafu { origin: &origin, reason: one_line(&error) }.build())?;
    let known = as_table(&Config::default());
    for (name, section) in &read {
        let Some(known) = known.get(name).and_then(Value::as_table) else {
            return Err(unknown(&origin, name, known.keys()));
        };
        let Value::Table(section) = section else {
            let reason = format!("`{name}` is a table: write [{name}] on a line of its own");
            return Err(ConfigSnafu { origin, reason }.build().into());
        };
        for (key, value) in section {
            let Some(default) = known.get(key) else {
                let known = known.keys().map(|known| format!("{name}.{known}"));
                return Err(unknown(&origin, &format!("{name}.{key}"), known));
            };
            let full = format!("{name}.{key}");
            if !value.same_type(default) {
                let (wanted, found) = (default.type_str(), value.type_str());
                let reason = format!("`{full}` takes a {wanted}, not a {found}");
                return Err(ConfigSnafu { origin, reason }.build().into());
            }
            let value = match value {
                Value::String(path) if PATHS.contains(&full.as_str()) && !path.is_empty() => {
                    Value::String(beside(file, path))
                }
                other => other.clone(),
            };
            insert(table, name, key, value);
            origins.insert(full, origin.clone());
        }
    }
    Ok(())
}

fn read_variables(
    variable: impl Fn(&str) -> Option<OsString>,
    table: &mut Table,
    origins: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    for (full, default) in leaves(&as_table(&Config::default())) {
        let name = format!("LYRA_{}", full.replace('.', "_").to_uppercase());
        // As in a shell, an empty variable says nothing.
        let Some(text) = variable(&name).filter(|text| !text.is_empty()) else { continue };
        let text = text.into_string().map_err(|_| {
            let reason = "it is not UTF-8".to_owned();
            ConfigSnafu { origin: format!("variable {name}"), reason }.build()
        })?;
        let value = match default {
            Value::Integer(_) => text.trim().parse().map(Value::Integer).map_err(|_| {
                let reason = "it takes an integer".to_owned();
                ConfigSnafu { origin: format!("variable {name}"), reason }.build()
            })?,
            Value::Boolean(_) => text.trim().parse().map(Value::Boolean).map_err(|_| {
                let reason = "it takes true or false".to_owned();
                ConfigSnafu { origin: format!("variable {name}"), reason }.build()
            })?,
            _ => Value::String(text),
        };
        if let Some((section, key)) = full.split_once('.') {
            insert(table, section, key, value);
        }
        origins.insert(full, name);
    }
    Ok(())
}

fn insert(table: &mut Table, section: &str, key: &str, value: Value) {
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(key.to_owned(), value);
    }
}

fn beside(file: &Path, path: &str) -> String {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.join(path).display().to_string(),
        _ => path.to_owned(),
    }
}

fn as_table(config: &Config) -> Table {
    Table::try_from(config).expect("the configuration holds text, integers and UTF-8 paths only")
}

fn leaves(table: &Table) -> impl Iterator<Item = (String, Value)> {
    table.iter().filter_map(|(name, section)| Some((name, section.as_table()?))).flat_map(
        |(name, section)| {
            section.iter().map(move |(key, value)| (format!("{name}.{key}"), value.clone()))
        },
    )
}

fn unknown(origin: &str, key: &str, known: impl Iterator<Item = impl AsRef<str>>) -> Error {
    let nearest = known
        .map(|known| known.as_ref().to_owned())
        .min_by_key(|known| strsim::damerau_levenshtein(known, key))
        .unwrap_or_default();
    UnknownKeySnafu { origin, key, nearest }.build().into()
}

/// Values of keys that name a secret are hidden, so that the output of
/// `lyra doctor` can be pasted into a report.
fn shown(key: &str, value: &Value) -> String {
    const SECRET: [&str; 4] = ["password", "secret", "token", "api_key"];
    match value {
        _ if SECRET.iter().any(|secret| key.contains(secret)) => "(hidden)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn one_line(error: &toml::de::Error) -> String {
    match error.span() {
        Some(_) => {
            // The rendered form draws the line with a caret below it, and
            // names the line first: that is the part for a one-line message.
            let text = error.to_string();
            let place = text.lines().next().unwrap_or_default().to_lowercase();
            format!("{} ({})", error.message().replace('\n', ", "), place.trim())
        }
        None => error.to_string().trim().replace('\n', ", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../lyra.toml");

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Error> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lyra.toml");
        std::fs::write(&file, text).unwrap();
        Loaded::load(Some(&file), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_sample_documents_every_key_with_its_default() {
        let sample: Table = SAMPLE.parse().unwrap();
        assert_eq!(sample, as_table(&Config::default()));
        let crate_default = lyra::backup::BackupManager::builder("a", "b").build().unwrap();
        assert_eq!(crate_default.prefix(), Config::default().backup.prefix);
        for (key, _) in leaves(&sample) {
            let name = format!("LYRA_{}", key.replace('.', "_").to_uppercase());
            assert!(SAMPLE.contains(&name), "the sample does not name {name}");
        }
    }

    #[test]
    fn a_variable_overrides_the_file_and_the_file_the_default() {
        let text = "[memstore]\ndimension = 32\n[backup]\nlevel = 9\n";
        let loaded =
            load(text, &[("LYRA_BACKUP_LEVEL", "1"), ("LYRA_CLI_FORMAT", "json")]).unwrap();
        assert_eq!(loaded.config.memstore.dimension, 32);
        assert_eq!(loaded.config.backup.level, 1);
        assert_eq!(loaded.config.cli.format, Format::Json);
        assert_eq!(loaded.config.backup.prefix, "lyra");
    }

    #[test]
    fn a_path_in_a_file_counts_from_the_file() {
        let loaded = load("[memstore]\ndir = \"mine\"\n", &[("LYRA_BACKUP_DIR", "b")]).unwrap();
        assert!(loaded.config.memstore.dir.is_absolute());
        assert!(loaded.config.memstore.dir.ends_with("mine"));
        assert_eq!(loaded.config.backup.dir, Path::new("b"));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let error = load("[backup]\nretention_day = 3\n", &[]).unwrap_err();
        assert_eq!(error.code().id(), "cli.unknown_key");
        assert!(error.to_string().contains("did you mean `backup.retention_days`?"), "{error}");
        let error = load("[memstor]\ndir = \"x\"\n", &[]).unwrap_err();
        assert!(error.to_string().contains("did you mean `memstore`?"), "{error}");
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named() {
        for (text, word) in [
            ("[backup]\nlevel = \"high\"\n", "`backup.level` takes a integer"),
            ("[backup]\nlevel = \n", "line 2"),
            ("memstore = 3\n", "write [memstore]"),
            ("[memstore]\ndimension = -1\n", "dimension"),
            ("[cli]\nformat = \"xml\"\n", "format"),
            ("[gpu]\nsample_interval = \"often\"\n", "`often` is no time"),
            ("[gpu]\nbudgets = \"20GiB\"\n", "DEVICE=SIZE"),
            ("[gpu]\nwarning = 300\n", "warning"),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert_eq!(error.code().id(), "cli.config", "{text}");
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
        assert!(load("", &[("LYRA_BACKUP_LEVEL", "")]).is_ok());
        let error = load("", &[("LYRA_BACKUP_LEVEL", "high")]).unwrap_err();
        assert!(error.to_string().contains("LYRA_BACKUP_LEVEL"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let error = Loaded::load(Some(Path::new("/no/such/lyra.toml")), |_| None).unwrap_err();
        assert_eq!(error.code().id(), "cli.no_such_path");
    }

    #[test]
    fn secrets_are_hidden() {
        assert_eq!(shown("chroma.token", &Value::String("hunter2".to_owned())), "(hidden)");
        assert_eq!(shown("backup.prefix", &Value::String("p".to_owned())), "p");
    }
}
