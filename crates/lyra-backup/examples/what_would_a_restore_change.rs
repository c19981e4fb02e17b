//! What would a restore of the newest good backup change in a directory?
//!
//! `cargo run -p lyra-backup --example what_would_a_restore_change -- BACKUP_DIR TARGET`
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use lyra_backup::BackupManager;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(backup_dir), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: what_would_a_restore_change BACKUP_DIR TARGET".into());
    };
    let backups = BackupManager::builder(&target, backup_dir).build()?;
    let listing = backups.list()?;
    let Some(newest) = listing.backups.iter().find(|b| b.status.is_verified()) else {
        return Err("no verified backup there".into());
    };
    let plan = backups.restore(&newest.name).to(target).dry_run_blocking()?;
    println!(
        "{} of {}: {} files, {} bytes",
        plan.name, plan.created, plan.files, plan.content_bytes
    );
    for (mark, paths) in
        [('+', &plan.diff.added), ('~', &plan.diff.changed), ('-', &plan.diff.deleted)]
    {
        for path in paths {
            println!("{mark} {}", path.display());
        }
    }
    Ok(())
}
