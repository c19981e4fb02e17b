//! The memory of the machine or of the container, from what Linux writes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;

use lyra_gpu::{CpuSource, DeviceKind, DeviceSource, MemoryReading, SourceError};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const MEMINFO: (&str, &str) = (
    "proc/meminfo",
    "MemTotal:       8388608 kB\nMemFree:         100000 kB\nMemAvailable:    4194304 kB\n",
);

/// A machine with 8192 MiB, of which 4096 can be had, and these files.
fn machine(files: &[(&str, &str)]) -> (TempDir, CpuSource) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [MEMINFO].iter().chain(files) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let source = CpuSource::rooted_at(root.path());
    (root, source)
}

fn memory(files: &[(&str, &str)]) -> Result<MemoryReading, SourceError> {
    let (_root, source) = machine(files);
    source.memory(&source.devices().unwrap()[0].id)
}

fn mib(total: u64, free: u64) -> Result<MemoryReading, SourceError> {
    Ok(MemoryReading::new(total * MIB, free * MIB))
}

#[track_caller]
fn assert_strange(files: &[(&str, &str)], words: &str) {
    match memory(files) {
        Err(SourceError::Failed { reason }) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?} for {files:?}"),
    }
}

#[test]
fn the_processor_is_one_device_by_the_name_of_its_make() {
    let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: Other\n";
    let (_root, source) = machine(&[("proc/cpuinfo", cpuinfo)]);
    let devices = source.devices().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].id.as_str(), "cpu");
    assert_eq!(devices[0].kind, DeviceKind::Cpu);
    assert_eq!(devices[0].name, "Some CPU @ 2.0GHz");
    assert_eq!(devices[0].pci_bus_id, None);
}

#[test]
fn a_processor_that_does_not_say_its_make_is_called_cpu() {
    for files in [&[][..], &[("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 50\n")]] {
        let (_root, source) = machine(files);
        assert_eq!(source.devices().unwrap()[0].name, "CPU");
    }
}

#[test]
fn without_groups_it_is_the_memory_of_the_machine() {
    assert_eq!(memory(&[]), mib(8192, 4096));
    assert_eq!(memory(&[("proc/self/cgroup", "")]), mib(8192, 4096));
}

#[test]
fn a_limit_of_a_group_around_it_binds_and_its_cache_counts_as_free() {
    let files = [
        ("proc/self/cgroup", "0::/pod/own\n"),
        ("sys/fs/cgroup/pod/own/memory.max", "max\n"),
        ("sys/fs/cgroup/pod/own/memory.current", "1048576\n"),
        ("sys/fs/cgroup/pod/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/pod/memory.current", "1073741824\n"),
        ("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 268435456\nactive_file 5\n"),
    ];
    assert_eq!(memory(&files), mib(2048, 1280));
}

#[test]
fn of_several_limits_each_one_binds() {
    let files = [
        ("proc/self/cgroup", "0::/pod/own\n"),
        ("sys/fs/cgroup/pod/own/memory.max", "1073741824\n"),
        ("sys/fs/cgroup/pod/own/memory.current", "0\n"),
        ("sys/fs/cgroup/pod/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/pod/memory.current", "2042626048\n"),
    ];
    assert_eq!(memory(&files), mib(1024, 100), "its own total, and what the other leaves");
}

#[test]
fn no_limit_leaves_the_machine() {
    let files = [
        ("proc/self/cgroup", "0::/own\n"),
        ("sys/fs/cgroup/own/memory.max", "max\n"),
        ("sys/fs/cgroup/own/memory.current", "1048576\n"),
    ];
    assert_eq!(memory(&files), mib(8192, 4096));
}

#[test]
fn a_limit_above_what_the_machine_has_changes_nothing() {
    let files = [
        ("proc/self/cgroup", "0::/own\n"),
        ("sys/fs/cgroup/own/memory.max", "1099511627776\n"),
        ("sys/fs/cgroup/own/memory.current", "1048576\n"),
    ];
    assert_eq!(memory(&files), mib(8192, 4096));
}

#[test]
fn a_group_over_its_limit_leaves_nothing() {
    let files = [
        ("proc/self/cgroup", "0::/own\n"),
        ("sys/fs/cgroup/own/memory.max", "1048576\n"),
        ("sys/fs/cgroup/own/memory.current", "2097152\n"),
    ];
    assert_eq!(memory(&files), mib(1, 0));
}

#[test]
fn in_a_container_its_own_group_is_the_mount_whatever_the_path_says() {
    for path in ["0::/\n", "0::/../../outside\n", "0::/docker/0123abc\n"] {
        let files = [
            ("proc/self/cgroup", path),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/memory.current", "536870912\n"),
        ];
        assert_eq!(memory(&files), mib(1024, 512), "{path}");
    }
}

#[test]
fn the_first_version_of_groups_is_read_too() {
    const OWN: &str = "9:cpu,cpuacct:/own\n4:memory:/pod/own\n1:name=systemd:/own\n";
    let files = [
        ("proc/self/cgroup", OWN),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "7000000000\n"),
        ("sys/fs/cgroup/memory/pod/own/memory.limit_in_bytes", "1073741824\n"),
        ("sys/fs/cgroup/memory/pod/own/memory.usage_in_bytes", "536870912\n"),
        (
            "sys/fs/cgroup/memory/pod/own/memory.stat",
            "inactive_file 1\ntotal_inactive_file 104857600\n",
        ),
    ];
    assert_eq!(memory(&files), mib(1024, 612));
}

#[test]
fn where_both_versions_are_in_use_both_bind() {
    let files = [
        ("proc/self/cgroup", "4:memory:/old\n0::/new\n"),
        ("sys/fs/cgroup/memory/old/memory.limit_in_bytes", "2147483648\n"),
        ("sys/fs/cgroup/memory/old/memory.usage_in_bytes", "2042626048\n"),
        ("sys/fs/cgroup/unified/new/memory.max", "1073741824\n"),
        ("sys/fs/cgroup/unified/new/memory.current", "0\n"),
    ];
    assert_eq!(memory(&files), mib(1024, 100));
}

#[test]
fn what_makes_no_sense_is_told_with_the_file_it_stands_in() {
    let own = ("proc/self/cgroup", "0::/own\n");
    let max = ("sys/fs/cgroup/own/memory.max", "1073741824\n");
    let current = ("sys/fs/cgroup/own/memory.current", "1\n");
    assert_strange(&[("proc/meminfo", "MemTotal: 5 kB\n")], "proc/meminfo has no MemAvailable");
    assert_strange(&[("proc/meminfo", "")], "has no MemTotal");
    assert_strange(&[("proc/meminfo", "MemTotal: many kB\nMemAvailable: 1 kB\n")], "\"many\"");
    assert_strange(&[("proc/meminfo", "MemTotal:\n")], "\"\" where a number belongs");
    assert_strange(&[("proc/self/cgroup", "garbage\n")], "proc/self/cgroup has the line");
    assert_strange(&[own, ("sys/fs/cgroup/own/memory.max", "-1\n")], "own/memory.max has \"-1\"");
    assert_strange(&[own, ("sys/fs/cgroup/own/memory.max", "")], "own/memory.max has \"\"");
    assert_strange(&[own, max], "own/memory.current is not there");
    let words = ("sys/fs/cgroup/own/memory.stat", "inactive_file lots\n");
    assert_strange(&[own, max, current, words], "own/memory.stat has \"lots\"");
}

#[test]
fn bytes_that_are_no_text_and_numbers_without_end_are_no_panic() {
    let (root, source) = machine(&[]);
    let cpu = source.devices().unwrap()[0].id.clone();
    fs::write(root.path().join("proc/meminfo"), [0xff, 0xfe, b'\n', 0x80]).unwrap();
    fs::write(root.path().join("proc/cpuinfo"), b"model name : \xff\n").unwrap();
    assert!(matches!(source.memory(&cpu), Err(SourceError::Failed { .. })));
    assert_eq!(source.devices().unwrap()[0].name, "\u{fffd}");

    let most = u64::MAX;
    let text = format!("MemTotal: {most} kB\nMemAvailable: {most} kB\n");
    fs::write(root.path().join("proc/meminfo"), text).unwrap();
    assert_eq!(source.memory(&cpu), Ok(MemoryReading::new(most, most)));
}

#[test]
fn a_system_without_these_files_cannot_tell_its_memory() {
    let empty = tempfile::tempdir().unwrap();
    let source = CpuSource::rooted_at(empty.path());
    let cpu = source.devices().unwrap()[0].id.clone();
    assert_eq!(source.memory(&cpu), Err(SourceError::NotSupported));
    assert_eq!(source.processes(&cpu), Err(SourceError::NotSupported));
}

#[test]
fn another_device_is_not_here() {
    let (_root, source) = machine(&[]);
    assert_eq!(source.memory(&"cpu1".into()), Err(SourceError::Lost));
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_has_memory() {
    let source = CpuSource::new();
    let reading = source.memory(&source.devices().unwrap()[0].id).unwrap();
    assert!(0 < reading.free && reading.free <= reading.total, "{reading:?}");
}
