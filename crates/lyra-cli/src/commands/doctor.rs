mod probe;

use std::path::Path;
use std::time::Duration;

use lyra::backup::BackupManager;
use lyra::errors::{Error, Result};
use lyra::gpu::{DeviceKind, DeviceStatus};
use lyra::memstore::MemoryStore;
use serde::Serialize;

use super::Context;
use super::backup::age;
use super::gpu::Found;
use crate::config::Setting;
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::units;
use probe::Abilities;

/// A backup that is older than two days of a daily schedule was missed.
const STALE: Duration = Duration::from_secs(2 * 86_400);

/// Less than this, and the next commit may not fit.
const LITTLE_SPACE: u64 = 16 << 20;

/// Looks at everything and changes nothing.
pub(crate) fn run(context: &Context) -> Result<Exit> {
    let config = context.config();
    let mut checks = vec![store(&config.memstore.dir), backups(context)];
    for (name, dir) in [("store", &config.memstore.dir), ("backups", &config.backup.dir)] {
        checks.extend(file_system(name, dir));
    }
    checks.extend(["tar", "zstd"].map(tool));
    checks.push(gpu(context));
    let report = Report {
        ok: checks.iter().all(|check| check.state != State::Broken),
        version: env!("CARGO_PKG_VERSION"),
        checks,
        configuration: context.loaded.settings(),
    };
    context.output.result(&report, human)?;
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    version: &'static str,
    checks: Vec<Check>,
    configuration: Vec<Setting>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It works.
    Ok,
    /// It is missing or could be better, and everything works without it.
    Note,
    /// It does not work.
    Broken,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), remedy: None }
    }

    fn note(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Note, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn broken(name: impl Into<String>, error: &Error) -> Self {
        let cause = error.causes().last().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Self {
            state: State::Broken,
            remedy: Some(error.code().hint().to_owned()),
            ..Self::ok(name, format!("{error}{cause}"))
        }
    }
}

fn store(dir: &Path) -> Check {
    if !dir.exists() {
        let found = format!("none yet at {}", dir.display());
        return Check::note("store", found, "`lyra memory import PATH` makes one");
    }
    let entries = || -> Result<(usize, u64)> {
        let collections = MemoryStore::builder(dir).open_read_only()?.collections()?;
        Ok((collections.len(), collections.iter().map(|collection| collection.entries).sum()))
    };
    match entries() {
        Ok((collections, entries)) => Check::ok(
            "store",
            format!(
                "{} in {} at {}",
                units::entries(entries),
                units::count(collections as u64, "collection"),
                dir.display()
            ),
        ),
        Err(error) => Check::broken("store", &error),
    }
}

fn backups(context: &Context) -> Check {
    let config = &context.config().backup;
    let listing = BackupManager::builder(&config.source, &config.dir)
        .with_prefix(&config.prefix)
        .build()
        .and_then(|manager| manager.list());
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => return Check::broken("backups", &error.into()),
    };
    let count = listing.backups.len();
    let newest = listing.backups.iter().find(|backup| backup.status.is_verified());
    match newest.map(|backup| age(backup.created)) {
        None => Check::note(
            "backups",
            format!("{count} in {}, none verified", config.dir.display()),
            "`lyra backup create` makes one and reads it back",
        ),
        Some(age) => {
            let found = format!(
                "{count} in {}, the newest verified from {}",
                config.dir.display(),
                units::age(age)
            );
            if age > STALE {
                Check::note("backups", found, "`lyra backup create`, best once a day")
            } else {
                Check::ok("backups", found)
            }
        }
    }
}

fn file_system(name: &str, dir: &Path) -> [Check; 2] {
    let dir = probe::nearest(dir);
    let space = match probe::free_bytes(&dir) {
        Ok(bytes) if bytes < LITTLE_SPACE => Check {
            state: State::Broken,
            ..Check::note(
                format!("space for {name}"),
                format!("{} free at {}", units::bytes(bytes), dir.display()),
                "make room: a commit, a backup and a restore all write before they remove",
            )
        },
        Ok(bytes) => Check::ok(
            format!("space for {name}"),
            format!("{} free at {}", units::bytes(bytes), dir.display()),
        ),
        Err(error) => unusable(format!("space for {name}"), &dir, &error),
    };
    let name = format!("file system of {name}");
    let abilities = match probe::abilities(&dir) {
        Ok(Abilities { locks: true, exchange: true }) => {
            Check::ok(name, "locks hold, two names can be exchanged in one step")
        }
        Ok(Abilities { locks: false, .. }) => Check {
            state: State::Broken,
            ..Check::note(name, "locks do not hold", "use a local file system, not a network share")
        },
        Ok(Abilities { exchange: false, .. }) => Check::note(
            name,
            "two names cannot be exchanged in one step; a restore uses two, with a journal",
            "use ext4, xfs, btrfs or tmpfs",
        ),
        Err(error) => unusable(name, &dir, &error),
    };
    [space, abilities]
}

fn unusable(name: String, dir: &Path, error: &std::io::Error) -> Check {
    Check {
        state: State::Broken,
        ..Check::note(
            name,
            format!("{} cannot be used: {error}", dir.display()),
            "check its owner and rights",
        )
    }
}

fn tool(name: &str) -> Check {
    match probe::tool(name) {
        Some(path) => Check::ok(name, path.display().to_string()),
        None => Check::note(
            name,
            "not on the path; lyra does not need it",
            format!("install {name} to read archives without lyra: `tar --zstd -tf ARCHIVE`"),
        ),
    }
}

fn gpu(context: &Context) -> Check {
    let found = match Found::on_this_machine(&context.config().gpu) {
        Ok(found) => found,
        Err(error) => return Check::broken("gpu", &error),
    };
    if let Some(reason) = found.no_gpu {
        return Check::note(
            "gpu",
            format!("none: {reason}"),
            "models go to the processor; where there is a card, install its driver, or name its \
             library in gpu.library",
        );
    }
    let status = found.manager.status();
    let cards = status.devices.iter().filter(|device| device.kind == DeviceKind::Gpu);
    let told: Vec<_> = cards.map(card).collect();
    Check::ok("gpu", told.join("; "))
}

fn card(card: &DeviceStatus) -> String {
    let (free, total) = (card.total.saturating_sub(card.used), card.total);
    let (free, total) = (units::bytes(free), units::bytes(total));
    format!("{} ({}): {free} of {total} free", card.name, card.health.as_str())
}

fn human(report: &Report) -> String {
    let rows = report.checks.iter().map(|check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Broken => "BROKEN",
        };
        let remedy =
            check.remedy.as_ref().map(|remedy| format!("\n→ {remedy}")).unwrap_or_default();
        [state.to_owned(), check.name.clone(), format!("{}{remedy}", check.found)]
    });
    let settings = report
        .configuration
        .iter()
        .map(|setting| [setting.key.clone(), setting.value.clone(), setting.origin.clone()]);
    format!(
        "lyra {}\n\n{}\n\n{}",
        report.version,
        table(["state", "what", "found"], &[], rows),
        table(["key", "value", "set by"], &[], settings)
    )
}
