#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

/// The workspace's README, so that its snippets are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct WorkspaceReadme;
