//! The stable codes of this crate, each with what to do.

use lyra_errors::Code;

macro_rules! codes {
    ($($name:ident = $id:literal, $hint:literal;)*) => {
        $(pub(crate) const $name: Code = Code::new($id, $hint);)*

        /// Every code that this crate can raise.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    INVALID_ENTRY = "memstore.invalid_entry",
        "correct the fields that the faults name; nothing was written";
    DIMENSION_MISMATCH = "memstore.dimension_mismatch",
        "give vectors of the collection's dimension, or make a collection for these";
    ALREADY_EXISTS = "memstore.already_exists",
        "use update or upsert to change an entry that is there";
    NOT_FOUND = "memstore.not_found",
        "list the collection to see which ids it has";
    COLLECTION_NOT_FOUND = "memstore.collection_not_found",
        "check the name against those that the context lists, or create the collection";
    INVALID_COLLECTION = "memstore.invalid_collection",
        "use a name of 3 to 64 of a-z A-Z 0-9 . _ - that begins and ends with a letter or digit";
    SPACE_MISMATCH = "memstore.space_mismatch",
        "open the collection as it was made, or put these vectors into another one";
    NO_EMBEDDER = "memstore.no_embedder",
        "bring a vector, or open the store with the embedder that the collection remembers";
    EMBEDDING_FAILED = "memstore.embedding_failed",
        "look at the cause; nothing was written";
    EMBEDDER_ANSWER = "memstore.embedder_answer",
        "correct the embedder: one finite vector of its dimension for each text";
    EMBEDDER_SETTINGS = "memstore.embedder_settings",
        "correct the setting that the context names";
    EMBEDDER_UNREACHABLE = "memstore.embedder_unreachable",
        "see that the endpoint runs at the URL that the context names, and what its log says";
    EMBEDDER_TIMEOUT = "memstore.embedder_timeout",
        "see whether the endpoint is overloaded; send fewer texts at once, or raise the timeout";
    EMBEDDER_REFUSED = "memstore.embedder_refused",
        "look at the status and at what the endpoint says: the URL, the model, the API key or the texts";
    INVALID_FILTER = "memstore.invalid_filter",
        "compare a key with a value, such as year>=2020";
    INVALID_QUERY = "memstore.invalid_query",
        "look for a text, or for a vector of the collection's dimension, and at least one hit";
    NOT_A_STORE = "memstore.not_a_store",
        "give the directory of a memory store, or a path where there is nothing yet";
    NO_STORE = "memstore.no_store",
        "check the path; a store is made by the first write to it";
    NEWER_FORMAT = "memstore.newer_format",
        "use the version of lyra that wrote it, or a newer one";
    OLDER_FORMAT = "memstore.older_format",
        "open the store for writing once, as `lyra memory reindex` does";
    CORRUPT = "memstore.corrupt",
        "restore the newest verified backup; keep the damaged store until that worked";
    LOCKED = "memstore.locked",
        "stop the process that the context names, or open the store for reading only";
    BUSY = "memstore.busy",
        "end transactions soon; try again, or raise the lock timeout";
    NESTED_TRANSACTION = "memstore.nested_transaction",
        "write through the transaction that is open instead of beside it";
    TRANSACTION_ABORTED = "memstore.transaction_aborted",
        "begin the transaction again without the step that failed";
    READ_ONLY = "memstore.read_only",
        "open the store for writing, and check that its files may be written";
    DISK_FULL = "memstore.disk_full",
        "make room on the disk and try again; the store is as it was before";
    STORAGE = "memstore.storage",
        "look at the cause; the store is as it was before";
    IO = "memstore.io",
        "check that the path exists and may be used";
    MOVED = "memstore.moved",
        "open the store again; what was not acknowledged is not in it";
    UNSUPPORTED_FILE = "memstore.unsupported_file",
        "give .jsonl, .ndjson, .json, .md, .markdown or .txt files, or folders of them";
}
