use lyra::backup::{DryRun, Outcome};
use lyra::errors::Result;
use serde_json::json;

use super::Place;
use super::list::described;
use crate::args::backup::PruneArgs;
use crate::exit::Exit;
use crate::output::table::table;
use crate::output::units;

pub(super) fn run(args: &PruneArgs, place: &Place<'_>) -> Result<Exit> {
    let dry_run = if args.dry_run { DryRun::Yes } else { DryRun::No };
    let report = place.manager_to_prune(args)?.prune_blocking(dry_run)?;
    let removed = report.removed().count();
    let decisions: Vec<_> = report
        .decisions
        .iter()
        .map(|decision| {
            json!({
                "backup": described(&decision.backup),
                "kept": matches!(decision.outcome, Outcome::Keep(_)),
                "reason": decision.outcome.to_string(),
            })
        })
        .collect();
    let document = json!({
        "backup_dir": units::path(&place.dir),
        "dry_run": report.dry_run,
        "removed": removed,
        "removed_bytes": report.removed_bytes(),
        "decisions": decisions,
    });
    place.output().result(&document, |_| {
        let rows = report
            .decisions
            .iter()
            .map(|decision| [decision.backup.name.clone(), decision.outcome.to_string()]);
        let verb = if args.dry_run { "would be removed" } else { "removed" };
        format!(
            "{}\n{removed} of {} {verb}, {}",
            table(["name", "decision"], &[], rows),
            report.decisions.len(),
            units::bytes(report.removed_bytes())
        )
    })?;
    Ok(Exit::Done)
}
