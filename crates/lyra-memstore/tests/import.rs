//! Files come in whole or not at all, and coming twice changes nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};

use lyra_errors::Classify;
use lyra_memstore::{
    Collection, EntryKind, FileSort, ImportOptions, ImportProgress, ImportReport, List,
    MemoryStore, OnInvalid, Space,
};
use tempfile::TempDir;

struct Fixture {
    dir: TempDir,
    journal: Collection,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = MemoryStore::open(dir.path().join("memory")).unwrap();
        let journal = store.collection("journal", Space::lexical(16)).unwrap();
        Self { dir, journal }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn import(&self, path: &Path, options: &ImportOptions) -> ImportReport {
        self.journal.import(&[path.to_owned()], options, &mut |_| {}).unwrap()
    }
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|i| format!("{{\"id\":\"{i}\",\"content\":\"c {i}\",\"summary\":\"s\"}}\n")).collect()
}

#[test]
fn lines_are_committed_in_batches_that_are_told() {
    let fixture = Fixture::new();
    let file = fixture.file("many.jsonl", lines(0..1_234));
    let mut committed = Vec::new();
    let report = fixture
        .journal
        .import(&[file], &ImportOptions::default(), &mut |progress| {
            if let ImportProgress::Committed { entries, .. } = progress {
                committed.push(*entries);
                assert_eq!(fixture.journal.count().unwrap(), *entries, "told when it is durable");
            }
        })
        .unwrap();
    assert_eq!(committed, [500, 1000, 1234]);
    assert_eq!((report.files, report.added, report.identical), (1, 1234, 0));
}

#[test]
fn importing_twice_adds_nothing() {
    let fixture = Fixture::new();
    let with_vector =
        r#"{"id":"v","content":"c","summary":"s","embedding":[3,4,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}"#;
    let no_id = r#"{"content":"c","summary":"s","metadata":{"a":-0.0,"b":null}}"#;
    let file =
        fixture.file("a.jsonl", format!("{}{with_vector}\n\n{no_id}\n{no_id}\n", lines(0..3)));
    let first = fixture.import(&file, &ImportOptions::default());
    assert_eq!((first.added, first.identical), (5, 1), "the same line twice is one entry");
    let before = fixture.journal.list(List::new().with_embeddings()).unwrap();
    let second = fixture.import(&file, &ImportOptions::default());
    assert_eq!((second.added, second.identical, second.conflict_count), (0, 6, 0));
    assert_eq!(fixture.journal.list(List::new().with_embeddings()).unwrap(), before);
}

#[test]
fn another_entry_under_a_known_id_is_reported_and_left_alone() {
    let fixture = Fixture::new();
    fixture.import(&fixture.file("a.jsonl", lines(0..3)), &ImportOptions::default());
    let other = r#"{"id":"1","content":"other","summary":"s"}"#;
    let file = fixture.file("b.jsonl", format!("{}{other}\n", lines(5..6)));
    let report = fixture.import(&file, &ImportOptions::default());
    assert_eq!((report.added, report.conflict_count), (1, 1));
    assert_eq!((report.conflicts[0].line, report.conflicts[0].id.as_str()), (2, "1"));
    assert_eq!(fixture.journal.get("1").unwrap().unwrap().content(), "c 1");

    let changed =
        r#"{"id":"2","content":"c 2","summary":"s","embedding":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}"#;
    let report = fixture.import(&fixture.file("c.jsonl", changed), &ImportOptions::default());
    assert_eq!(report.conflict_count, 1, "another vector is another entry");
}

#[test]
fn nothing_of_a_file_with_a_fault_is_written_and_each_fault_is_placed() {
    let fixture = Fixture::new();
    let bad = concat!(
        "{\"id\":\"x\",\"content\":\"\",\"summary\":\"s\",\"tags\":[\"ok\",\"not ok\"]}\n",
        "this is no json\n",
        "{\"id\":\"y\",\"content\":\"c\",\"summary\":\"s\",\"embedding\":[1,2]}\n",
        "{\"id\":\"0\",\"content\":\"another 0\",\"summary\":\"s\"}\n",
        "{\"id\":\"z\",\"content\":\"c\",\"summary\":\"s\",\"significance\":11}\n",
    );
    let folder = fixture.dir.path().join("in");
    fixture.file("in/bad.jsonl", format!("{}{bad}", lines(0..600)));
    fixture.file("in/good.jsonl", lines(700..702));
    let report = fixture.import(&folder, &ImportOptions::default());
    assert_eq!((report.files, report.skipped_files, report.added), (2, 1, 2));
    let found: Vec<_> =
        report.faults.iter().map(|f| (f.line, f.fault.path.as_str(), f.fault.code)).collect();
    let wanted = [
        (601, "content", "required"),
        (601, "tags[1]", "characters"),
        (602, "entry", "type"),
        (603, "embedding", "dimension"),
        (604, "id", "duplicate"),
        (605, "significance", "range"),
    ];
    assert_eq!(found, wanted);
    assert!(report.faults[0].file.ends_with("in/bad.jsonl"));
    assert_eq!(fixture.journal.count().unwrap(), 2);

    let mut options = ImportOptions::default();
    options.invalid = OnInvalid::SkipEntry;
    let report = fixture.import(&folder, &options);
    assert_eq!((report.added, report.identical, report.fault_count), (600, 2, 6));
    assert_eq!(report.conflict_count, 1, "of two under one id the first is kept");
    assert_eq!(fixture.journal.get("0").unwrap().unwrap().content(), "c 0");
}

#[test]
fn files_that_are_not_text_are_faults_of_the_file() {
    let fixture = Fixture::new();
    for (name, content) in [
        ("a.jsonl", b"{\"content\":\"\xff\"}\n".as_slice()),
        ("b.json", b"{\"content\":\"no array\"}"),
        ("c.md", b"# \xff\ntext"),
        ("d.json", b"[{\"content\":1,\"summary\":\"s\"}]"),
    ] {
        let report = fixture.import(&fixture.file(name, content), &ImportOptions::default());
        assert_eq!((report.skipped_files, report.fault_count, report.added), (1, 1, 0), "{name}");
    }
    assert_eq!(fixture.journal.count().unwrap(), 0);
}

#[test]
fn arrays_byte_order_marks_and_other_line_ends_are_read() {
    let fixture = Fixture::new();
    let array = "[{\"content\":\"a\",\"summary\":\"s\"},\n{\"content\":\"b\",\"summary\":\"s\"}]";
    assert_eq!(fixture.import(&fixture.file("a.json", array), &ImportOptions::default()).added, 2);
    let marked =
        "\u{feff}{\"content\":\"c\",\"summary\":\"s\"}\r\n{\"content\":\"d\",\"summary\":\"s\"}";
    assert_eq!(
        fixture.import(&fixture.file("b.jsonl", marked), &ImportOptions::default()).added,
        2
    );
    assert_eq!(fixture.import(&fixture.file("c.jsonl", ""), &ImportOptions::default()).added, 0);
}

#[test]
fn a_line_that_is_too_long_is_a_fault_and_the_next_one_is_read() {
    let fixture = Fixture::new();
    let long = format!("{{\"content\":\"{}\"}}\n", "x".repeat(17 << 20));
    let file = fixture.file("a.jsonl", format!("{long}{}", lines(0..2)));
    let mut options = ImportOptions::default();
    options.invalid = OnInvalid::SkipEntry;
    let report = fixture.import(&file, &options);
    assert_eq!((report.added, report.fault_count), (2, 1));
    assert_eq!((report.faults[0].line, report.faults[0].fault.code), (1, "too_long"));
}

#[test]
fn faults_of_reading_and_of_the_rules_are_told_together() {
    let fixture = Fixture::new();
    let line = r#"{"content":7,"summary":"s","tags":["not ok"],"significance":99,"extra":1}"#;
    let report = fixture.import(&fixture.file("a.jsonl", line), &ImportOptions::default());
    let found: Vec<_> =
        report.faults.iter().map(|f| (f.fault.path.as_str(), f.fault.code)).collect();
    let wanted = [
        ("content", "type"),
        ("\"extra\"", "unknown"),
        ("significance", "range"),
        ("tags[0]", "characters"),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn entries_under_one_id_are_compared_whatever_the_batch() {
    let two = "{\"id\":\"a\",\"content\":\"1\",\"summary\":\"s\"}\n{\"id\":\"a\",\"content\":\"2\",\"summary\":\"s\"}\n";
    for batch in [1, 500] {
        let fixture = Fixture::new();
        let mut options = ImportOptions::default();
        options.invalid = OnInvalid::SkipEntry;
        options.batch = batch;
        let report = fixture.import(&fixture.file("a.jsonl", two), &options);
        assert_eq!((report.added, report.identical, report.conflict_count), (1, 0, 1), "{batch}");
    }
}

#[test]
fn vectors_that_differ_in_the_sign_of_a_zero_differ() {
    let fixture = Fixture::new();
    let vectors = fixture.journal.store().collection("vectors", Space::l2(2)).unwrap();
    let line = |zero: &str| {
        format!("{{\"id\":\"a\",\"kind\":\"fact\",\"content\":\"x\",\"embedding\":[{zero},1]}}")
    };
    let import = |text: String| {
        let file = fixture.file("a.jsonl", text);
        vectors.import(&[file], &ImportOptions::default(), &mut |_| {}).unwrap()
    };
    assert_eq!(import(line("0.0")).added, 1);
    assert_eq!(import(line("0.0")).identical, 1);
    assert_eq!(import(line("-0.0")).conflict_count, 1);
}

#[test]
fn an_export_keeps_who_made_the_vectors() {
    let fixture = Fixture::new();
    fixture.import(&fixture.file("a.jsonl", lines(0..1)), &ImportOptions::default());
    let mut exported = Vec::new();
    fixture.journal.export(&mut exported).unwrap();
    let other = Fixture::new();
    other.import(&other.file("a.jsonl", &exported), &ImportOptions::default());
    let patch = lyra_memstore::EntryPatch::new("0").with_content("new");
    other.journal.update(patch).expect("the vector is the embedder's, so it is made anew");
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::Error::other("full"))
        }
    }
    let fixture = Fixture::new();
    let error = fixture.journal.export(&mut Full).unwrap_err();
    assert_eq!(error.to_string(), "cannot write the export");
}

#[test]
fn what_is_no_plain_file_is_refused_and_does_not_hang() {
    let fixture = Fixture::new();
    let pipe = fixture.dir.path().join("pipe.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error =
        fixture.journal.import(&[pipe], &ImportOptions::default(), &mut |_| {}).unwrap_err();
    assert_eq!(error.code().id(), "memstore.unsupported_file");
}

#[test]
fn an_entry_that_another_thread_adds_meanwhile_is_seen() {
    use std::sync::{Arc, OnceLock};

    /// Adds an entry to the store while the import embeds.
    #[derive(Default)]
    struct Meddler(OnceLock<Collection>);
    impl lyra_memstore::Embedder for Meddler {
        fn fingerprint(&self) -> &str {
            "meddler"
        }
        fn dimension(&self) -> u32 {
            2
        }
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, lyra_errors::Error> {
            if let Some(collection) = self.0.get() {
                let _ = collection.upsert(
                    lyra_memstore::Entry::journal("c 1", "s")
                        .with_id("1")
                        .with_embedding([1.0, 0.0]),
                );
            }
            Ok(vec![vec![1.0, 1.0]; texts.len()])
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let meddler = Arc::new(Meddler::default());
    let store =
        MemoryStore::builder(dir.path().join("m")).with_embedder(meddler.clone()).open().unwrap();
    let space = Space::cosine(2).with_embedder(&*meddler);
    let collection = store.collection("texts", space).unwrap();
    meddler.0.set(collection.clone()).unwrap();
    let file = dir.path().join("a.jsonl");
    fs::write(&file, lines(0..3)).unwrap();
    let report = collection.import(&[file], &ImportOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((report.added, report.identical), (2, 1), "one came from elsewhere meanwhile");
    assert_eq!(collection.count().unwrap(), 3);
}

#[test]
fn prose_becomes_entries_with_their_headings() {
    let fixture = Fixture::new();
    let folder = fixture.dir.path().join("notes");
    fixture.file("notes/a/river.md", "# River\n\nIt is wide.\n\n## Bridges\n\nThere are two.\n");
    fixture.file("notes/plain.txt", "First line\nand more.\n");
    fixture.file("notes/.hidden/x.md", "# hidden");
    fixture.file("notes/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");
    fixture.file("notes/cache/x.md", "# cached");
    fixture.file("notes/picture.png", b"\x89PNG");
    let report = fixture.import(&folder, &ImportOptions::default());
    assert_eq!((report.files, report.ignored_files, report.added), (2, 1, 3));
    let entries = fixture.journal.list(List::new()).unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|e| (e.summary().unwrap(), e.metadata()["source"].to_string()))
        .collect();
    let wanted = [
        ("River", "a/river.md".to_owned()),
        ("River › Bridges", "a/river.md".to_owned()),
        ("First line", "plain.txt".to_owned()),
    ];
    assert_eq!(told, wanted);

    let mut only_text = ImportOptions::default();
    only_text.folder_sorts = vec![FileSort::Text];
    let report = fixture.import(&folder, &only_text);
    assert_eq!((report.files, report.ignored_files, report.identical), (1, 2, 1));

    let facts = fixture.journal.store().collection("facts", Space::lexical(16)).unwrap();
    let mut options = ImportOptions::default();
    options.kind = EntryKind::Fact;
    facts.import(&[folder], &options, &mut |_| {}).unwrap();
    let fact = &facts.list(List::new()).unwrap()[1];
    assert_eq!((fact.kind(), fact.summary()), (EntryKind::Fact, None));
    assert_eq!(fact.content(), "## Bridges\n\nThere are two.");
}

#[test]
fn a_path_that_cannot_be_read_is_an_error_before_anything_is_written() {
    let fixture = Fixture::new();
    let good = fixture.file("a.jsonl", lines(0..1));
    let strange = fixture.file("b.xyz", "x");
    for (bad, code) in
        [(fixture.dir.path().join("absent"), "memstore.io"), (strange, "memstore.unsupported_file")]
    {
        let paths = [good.clone(), bad];
        let error =
            fixture.journal.import(&paths, &ImportOptions::default(), &mut |_| {}).unwrap_err();
        assert_eq!(error.code().id(), code);
        assert_eq!(fixture.journal.count().unwrap(), 0);
    }
}

#[test]
fn a_collection_of_the_callers_vectors_takes_no_entry_without_one() {
    let fixture = Fixture::new();
    let vectors = fixture.journal.store().collection("vectors", Space::l2(2)).unwrap();
    let file = fixture.file("a.jsonl", lines(0..1));
    let report = vectors.import(&[file], &ImportOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((report.added, report.faults[0].fault.code), (0, "no_embedding"));
}

#[test]
fn what_is_exported_imports_into_another_store_bit_for_bit() {
    let fixture = Fixture::new();
    let lines = concat!(
        "{\"id\":\"a\",\"content\":\"x\",\"summary\":\"s\",\"tags\":[\"t\"],\"significance\":3,",
        "\"metadata\":{\"f\":1.0,\"g\":5e-324,\"h\":0.1,\"i\":1,\"z\":-0.0},",
        "\"embedding\":[0.1,0.2,0.3,1e-30,0,0,0,0,0,0,0,0,0,0,0,7]}\n",
        "{\"id\":\"b\",\"kind\":\"fact\",\"content\":\"y\"}\n",
    );
    fixture.import(&fixture.file("a.jsonl", lines), &ImportOptions::default());
    let mut exported = Vec::new();
    assert_eq!(fixture.journal.export(&mut exported).unwrap(), 2);

    let other = Fixture::new();
    let file = other.file("exported.jsonl", &exported);
    let report = other.import(&file, &ImportOptions::default());
    assert_eq!((report.added, report.fault_count), (2, 0));
    let all = |f: &Fixture| f.journal.list(List::new().with_embeddings()).unwrap();
    assert_eq!(all(&other), all(&fixture));
    let bits = |f: &Fixture| -> Vec<u32> {
        all(f).iter().flat_map(|e| e.embedding().unwrap().to_vec()).map(f32::to_bits).collect()
    };
    assert_eq!(bits(&other), bits(&fixture));
    let mut again = Vec::new();
    other.journal.export(&mut again).unwrap();
    assert_eq!(again, exported);
    assert_eq!(fixture.import(&file, &ImportOptions::default()).identical, 2);
}
