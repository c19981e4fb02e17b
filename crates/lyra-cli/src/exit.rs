//! Exit codes: which code of which crate ends the command how.

use std::process::ExitCode;

use lyra::errors::Code;

/// How the command ends. These are the only ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed, and none of the others says it better.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// The input is invalid or corrupt.
    Invalid = 4,
    /// Another process, or what is there already, stands in the way.
    Conflict = 5,
    /// Done, but parts had changed while they were read or were skipped.
    Partial = 6,
    /// Interrupted, with nothing half-done.
    Interrupted = 130,
}

impl Exit {
    /// How an error of that code ends the command.
    pub(crate) fn of(code: Code) -> Self {
        TABLE
            .iter()
            .find(|(_, codes)| codes.contains(&code.id()))
            .map_or(Self::Failed, |(exit, _)| *exit)
    }
}

impl From<Exit> for i32 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// Every code of every crate, once.
const TABLE: &[(Exit, &[&str])] = &[
    (
        Exit::Failed,
        &[
            "backup.disk_full",
            "backup.io",
            "backup.unreadable",
            "cli.calls",
            "cli.comparison",
            "cli.output",
            "cli.unusable_path",
            "errors.already_set",
            "errors.invalid_record",
            "gpu.closed",
            "gpu.in_use",
            "gpu.load_failed",
            "gpu.loading",
            "gpu.no_device",
            "gpu.no_room",
            "gpu.not_running",
            "gpu.out_of_memory",
            "gpu.timeout",
            "gpu.too_large",
            "host.consciousness",
            "host.gpu_memory",
            "host.internal",
            "host.memory",
            "host.model_load",
            "host.rate_limit",
            "host.router",
            "log.dir",
            "log.io",
            "log.unwritten",
            "memstore.disk_full",
            "memstore.embedder_answer",
            "memstore.embedder_refused",
            "memstore.embedder_timeout",
            "memstore.embedder_unreachable",
            "memstore.embedding_failed",
            "memstore.io",
            "memstore.nested_transaction",
            "memstore.read_only",
            "memstore.storage",
            "memstore.transaction_aborted",
            "ratelimit.busy",
            "ratelimit.engine",
            "ratelimit.no_runtime",
            "ratelimit.not_yet",
            "ratelimit.timed_out",
            "ratelimit.too_large",
            "ratelimit.too_late",
            "retry.budget_empty",
            "retry.circuit_open",
            "retry.deadline",
            "retry.exhausted",
            "retry.not_retryable",
            "retry.retry_after",
            "retry.timeout",
            "sync.busy",
            "sync.closed",
            "sync.create_failed",
            "sync.create_panicked",
            "sync.create_timed_out",
            "sync.no_runtime",
            "sync.not_returned",
            "sync.reentrant",
            "sync.timeout",
            "sync.too_many",
        ],
    ),
    (
        Exit::Usage,
        &[
            "backup.bad_target",
            "backup.empty_policy",
            "backup.invalid_argument",
            "cli.config",
            "cli.not_confirmed",
            "cli.unknown_key",
            "cli.usage",
            "gpu.already_registered",
            "gpu.invalid",
            "log.already_installed",
            "log.directive",
            "log.nowhere",
            "log.setting",
            "memstore.embedder_settings",
            "memstore.invalid_collection",
            "memstore.invalid_filter",
            "ratelimit.invalid",
            "ratelimit.needs_permit",
            "ratelimit.unknown_limit",
            "retry.invalid_policy",
            "sync.invalid",
        ],
    ),
    (
        Exit::NotFound,
        &[
            "backup.no_previous",
            "backup.not_found",
            "backup.source_not_found",
            "cli.no_such_entry",
            "cli.no_such_path",
            "gpu.unknown_model",
            "log.not_found",
            "memstore.collection_not_found",
            "memstore.no_store",
            "memstore.not_found",
        ],
    ),
    (
        Exit::Invalid,
        &[
            "backup.corrupt",
            "backup.journal",
            "backup.newer_format",
            "backup.unsafe_member",
            "cli.invalid_input",
            "host.validation",
            "memstore.corrupt",
            "memstore.dimension_mismatch",
            "memstore.invalid_entry",
            "memstore.invalid_query",
            "memstore.newer_format",
            "memstore.older_format",
            "memstore.no_embedder",
            "memstore.not_a_store",
            "memstore.unsupported_file",
        ],
    ),
    (
        Exit::Conflict,
        &[
            "backup.locked",
            "backup.target_in_use",
            "cli.file_exists",
            "host.concurrency",
            "log.in_use",
            "memstore.already_exists",
            "memstore.busy",
            "memstore.locked",
            "memstore.moved",
            "memstore.space_mismatch",
        ],
    ),
    (Exit::Interrupted, &["backup.cancelled"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_every_crate_stands_in_the_table_once() {
        let crates = [
            lyra::errors::CODES,
            lyra::memstore::CODES,
            lyra::backup::CODES,
            lyra::gpu::CODES,
            lyra::log::CODES,
            lyra::ratelimit::CODES,
            lyra::retry::CODES,
            lyra::sync::CODES,
            crate::error::CODES,
        ];
        let known = crates.concat();
        for code in &known {
            let places = TABLE.iter().flat_map(|(_, codes)| *codes).filter(|id| **id == code.id());
            assert_eq!(places.count(), 1, "how often `{}` stands in the table", code.id());
        }
        for id in TABLE.iter().flat_map(|(_, codes)| *codes) {
            assert!(known.iter().any(|code| code.id() == *id), "no crate raises `{id}`");
        }
    }
}
