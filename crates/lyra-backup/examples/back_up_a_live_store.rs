//! How do I back up a directory that is in use, and know that the backup is good?
//!
//! `cargo run -p lyra-backup --example back_up_a_live_store -- SOURCE BACKUP_DIR`
#![allow(clippy::print_stdout, reason = "an example shows what it finds")]

use std::ops::ControlFlow;

use lyra_backup::{BackupManager, CreateOptions, DryRun};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(source), Some(backup_dir)) = (arguments.next(), arguments.next()) else {
        return Err("usage: back_up_a_live_store SOURCE BACKUP_DIR".into());
    };
    let backups = BackupManager::builder(source, backup_dir).build()?;
    let options = CreateOptions::default().with_metadata("reason", "example").with_progress(|p| {
        if p.members_done == p.members_total {
            println!("{:?}: {} members, {} bytes", p.phase, p.members_done, p.bytes_done);
        }
        ControlFlow::Continue(())
    });
    let made = backups.create_blocking(options)?;
    println!("{} ({} bytes, {:?})", made.path.display(), made.archive_bytes, made.took);
    for skipped in &made.skipped {
        println!("  left out: {} ({})", skipped.path.display(), skipped.reason);
    }
    for changed in &made.changed {
        println!("  was written to meanwhile: {}", changed.display());
    }
    for decision in backups.prune_blocking(DryRun::Yes)?.decisions {
        println!("{}: {}", decision.backup.name, decision.outcome);
    }
    Ok(())
}
