//! The shape of the source: which folder may know which, where SQL and status codes live, words and lengths.
//!
//! These rules keep the code navigable. An exception is a line in a list here, with its reason.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use etrplus::config::VARIABLES;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Which modules each module of `src/` may name. `error` and `ids` are leaves that everybody but `domain` may use
/// (`domain` uses `ids`); `main.rs` and `lib.rs` name everything.
const MAY_USE: &[(&str, &[&str])] = &[
    // The core: what the bureau knows. No I/O, no keys, no clock.
    ("domain", &["ids"]),
    // The business day and TEST or PROD are words of the domain.
    ("clock", &["domain"]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    // Identifiers are typed in the domain; keys come from the configuration.
    ("privacy", &["config", "domain", "error"]),
    // A token is a column: its type is all that `db` knows of privacy.
    // The configuration shares out the connections of a process.
    ("db", &["config", "domain", "error", "ids", "privacy"]),
    ("store", &["config", "error", "ids"]),
    // Arrow, Parquet and Iceberg stay in there. Its catalog and its ledger are tables.
    ("lake", &["clock", "config", "db", "domain", "error", "ids", "privacy"]),
    // Graphs and events from facts that others have read.
    ("lineage", &["domain", "ids"]),
    ("audit", &["db", "error", "ids"]),
    // Who may do what; a deed of an operator is an audit entry in the same transaction.
    ("access", &["audit", "clock", "db", "domain", "error", "ids", "privacy"]),
    // The story of a batch. It signs receipts with the issuer, and is handed the wired app.
    (
        "pipeline",
        &[
            "access", "app", "audit", "clock", "config", "db", "domain", "error", "ids", "lake", "lineage",
            "privacy", "store",
        ],
    ),
    ("jobs", &["app", "db", "domain", "error", "ids", "pipeline", "privacy"]),
    // Where everything meets; handlers and jobs get it by name, so it names what they use.
    ("app", &["access", "clock", "config", "db", "jobs", "lake", "pipeline", "privacy", "store"]),
    (
        "http",
        &[
            "access",
            "app",
            "config",
            "db",
            "domain",
            "error",
            "ids",
            "lineage",
            "pipeline",
            "privacy",
            "telemetry",
        ],
    ),
    // Private servers of `etrplus dev`: they hand back an address and know nothing of us.
    ("embedded", &[]),
    // Commands wire; the only ones that start embedded servers.
    (
        "commands",
        &[
            "access",
            "app",
            "clock",
            "config",
            "db",
            "domain",
            "embedded",
            "lake",
            "error",
            "http",
            "ids",
            "jobs",
            "pipeline",
            "privacy",
            "store",
            "telemetry",
        ],
    ),
    ("error", &[]),
    ("ids", &[]),
];

/// Files outside of `db/` that name sqlx, and why. None of them holds a statement.
const MAY_NAME_SQLX: &[(&str, &str)] = &[
    ("access/directory.rs", "holds the pool that it reloads from"),
    ("access/issuer.rs", "holds the pool of its signing keys and begins the transactions of key changes"),
    ("access/registry.rs", "begins the transactions of clients and contributors"),
    ("audit/mod.rs", "takes the caller's transaction"),
    ("commands/migrate.rs", "runs the migrations and explains their errors"),
    ("commands/registry_access.rs", "opens the pool of an operator's command"),
    ("embedded/mod.rs", "an error of the bootstrap"),
    ("embedded/postgres/mod.rs", "makes role and database in the private server, before there is a schema"),
    ("error.rs", "sorts database errors into transient ones and others"),
    ("http/problem.rs", "a database error becomes a problem by way of Error"),
    ("ids.rs", "ids are columns"),
    ("jobs/wake.rs", "listens for notifications, which is a connection and no statement"),
    ("lake/catalog.rs", "begins the transaction that swaps a table's pointer"),
    ("lake/columns.rs", "reads rows into columns"),
    ("lake/fingerprint.rs", "reads rows into digests"),
    ("lake/mod.rs", "holds the pool of its catalog and its ledger"),
    ("lake/remake.rs", "reads rows into files"),
    ("lake/write.rs", "reads rows into files"),
    ("pipeline/corrections.rs", "begins the transactions of corrections"),
    ("pipeline/fixes.rs", "takes part in transaction B"),
    ("pipeline/footprints.rs", "begins the transaction that questions share"),
    ("pipeline/notices.rs", "takes part in the transactions of corrections and delistings"),
    ("pipeline/parking.rs", "takes part in transaction C"),
    ("pipeline/rebuild/serving.rs", "begins the transaction that puts accounts in their place"),
    ("pipeline/recall.rs", "begins the transaction of a recall"),
    ("pipeline/refine/edges.rs", "takes part in transaction C"),
    ("pipeline/refine/history.rs", "looks events up beside the connection that streams the rows"),
    ("pipeline/refine/posting.rs", "looks up inside transaction C or beside it"),
    ("pipeline/refine/publish.rs", "begins transaction C"),
    ("pipeline/refine/quarantine.rs", "takes the worker's connection and transaction C"),
    ("pipeline/refine/shadow.rs", "begins the transaction of a promotion"),
    ("pipeline/refine/stage.rs", "holds the connection that owns the staging table"),
    ("pipeline/refine/supersede.rs", "takes part in transaction C"),
    ("pipeline/rekeys.rs", "takes part in the transaction of a correction"),
    ("pipeline/shadows.rs", "takes the caller's transaction"),
    ("privacy/token.rs", "a token is a column"),
    ("telemetry.rs", "a log filter names the crate"),
];

/// Files outside of `http/` that name status codes, and why.
const MAY_NAME_STATUS: &[(&str, &str)] =
    &[("commands/dev/seed.rs", "is a client of our own API: it checks what it is answered")];

/// Files that may be longer than [`MAX_LINES`], and why.
const MAY_BE_LONG: &[(&str, &str)] = &[];
const MAX_LINES: usize = 600;

/// Every Rust file below a folder, sorted.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A source file: its path below `src/` and its code without comments and unit tests.
struct Source {
    path: String,
    code: String,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn sources() -> Vec<Source> {
    let folder = Path::new(ROOT).join("src");
    let source = |file: PathBuf| {
        let path = file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let tested = text.find("#[cfg(test)]\nmod ").or_else(|| text.find("#[cfg(test)]\npub(super) mod "));
        let code: Vec<&str> = text[..tested.unwrap_or(text.len())]
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        Source { path, code: code.join("\n") }
    };
    // Files that only the unit tests of their folder use.
    let tests = |source: &Source| {
        ["tests.rs", "fixtures.rs", "population.rs", "properties.rs"]
            .iter()
            .any(|name| source.path.ends_with(name))
    };
    rust_files(&folder).into_iter().map(source).filter(|source| !tests(source)).collect()
}

/// The modules of the crate that some code names, as `crate::x` or in a `crate::{…}` list.
fn named_modules(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let list = after.strip_prefix('{').map_or(after, |list| list.split("};").next().unwrap());
        let parts: Vec<&str> = if after.starts_with('{') { outer_parts(list) } else { vec![after] };
        for part in parts {
            let word: String =
                part.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !word.is_empty() {
                named.insert(word);
            }
        }
    }
    named
}

/// Splits at the commas outside of braces.
fn outer_parts(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

#[test]
fn modules_know_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources() {
        let module = source.module();
        if ["main", "lib"].contains(&module) {
            continue;
        }
        let allowed =
            MAY_USE.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, allowed)| allowed);
        for name in named_modules(&source.code) {
            if name == module || !MAY_USE.iter().any(|(known, _)| *known == name) {
                continue;
            }
            if allowed.contains(&name.as_str()) {
                used.insert((module.to_owned(), name));
            } else {
                wrong.push(format!("{} uses crate::{name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction of dependencies:\n{}", wrong.join("\n"));
    // What is no longer used is no longer allowed (ids and error are for everybody).
    let leaves = ["error", "ids"];
    let idle: Vec<_> = MAY_USE
        .iter()
        .flat_map(|(module, allowed)| {
            allowed.iter().map(move |name| ((*module).to_owned(), (*name).to_owned()))
        })
        .filter(|(module, name)| {
            !leaves.contains(&name.as_str()) && !used.contains(&(module.clone(), name.clone()))
        })
        .collect();
    assert!(idle.is_empty(), "allowed and not used, take it off the list: {idle:?}");
}

#[test]
fn every_module_has_its_place_in_the_direction() {
    let lib = std::fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(MAY_USE.iter().any(|(known, _)| *known == module), "{module} is in no line of MAY_USE");
    }
}

/// Files with the word outside of the given folders, which must be exactly the listed ones.
#[track_caller]
fn assert_only_listed(word: &str, folders: &[&str], listed: &[(&str, &str)]) {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.code.contains(word) && !folders.contains(&source.module()))
        .map(|source| source.path)
        .collect();
    let listed: Vec<&str> = listed.iter().map(|(path, _)| *path).collect();
    assert_eq!(found, listed, "files that name {word}");
}

#[test]
fn status_codes_are_the_business_of_http() {
    assert_only_listed("StatusCode", &["http", "embedded"], MAY_NAME_STATUS);
}

#[test]
fn sqlx_is_named_where_the_list_says() {
    assert_only_listed("sqlx::", &["db"], MAY_NAME_SQLX);
}

#[test]
fn statements_stand_in_db() {
    let postgres =
        ("embedded/postgres/mod.rs", "before there is a schema, and a server that is not ours yet");
    assert_only_listed("sqlx::query", &["db"], &[postgres]);
    for source in sources() {
        for word in ["AssertSqlSafe", "QueryBuilder"] {
            assert!(!source.code.contains(word), "{}: SQL is text that stands in the source", source.path);
        }
    }
}

#[test]
fn some_words_never_stay() {
    // Put together here, so that this file does not contain them.
    let everywhere = ["todo", "dbg", "unimplemented"].map(|name| format!("{name}!("));
    let machine = [
        ["/ro", "ot/"].concat(),
        ["/wo", "rk/"].concat(),
        ["/Us", "ers/"].concat(),
        ["/work", "space"].concat(),
    ];
    for folder in ["src", "tests", "benches", "docs", "migrations"] {
        for file in all_files(&Path::new(ROOT).join(folder)) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            for word in everywhere.iter().chain(&machine) {
                assert!(!text.contains(word.as_str()), "{} contains {word}", file.display());
            }
        }
    }
    for source in sources() {
        // Each of these hides a decision in the code that runs in production.
        for word in ["from_utf8_lossy(", "#[allow(", ".unwrap()", "thread::sleep("] {
            let excused = source.code.matches(word).count();
            let reasons = reasons_for(word).iter().filter(|(path, _)| *path == source.path).count();
            assert!(excused == 0 || reasons > 0, "{} contains {word}", source.path);
        }
    }
}

/// Where a word of the second kind is right, and why.
fn reasons_for(word: &str) -> &'static [(&'static str, &'static str)] {
    match word {
        "from_utf8_lossy(" => &[
            ("commands/dev/seed.rs", "an answer of our own, for people to read"),
            ("commands/healthcheck.rs", "an answer of our own, for people to read"),
            ("embedded/postgres/binaries.rs", "the output of another program"),
            ("embedded/postgres/mod.rs", "the end of another program's log, for people to read"),
            ("embedded/postgres/supervisor.rs", "another program's pid file"),
            ("embedded/postgres/wheel.rs", "the output of another program"),
        ],
        "thread::sleep(" => &[
            ("commands/dev/directory.rs", "waits for a lock before there is a runtime"),
            ("embedded/postgres/mod.rs", "starts before there is a runtime"),
        ],
        _ => &[],
    }
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

#[test]
fn files_can_be_read_in_one_sitting() {
    for folder in ["src", "tests"] {
        for file in rust_files(&Path::new(ROOT).join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let path = file.strip_prefix(ROOT).unwrap().to_str().unwrap();
            let lines = text.lines().count();
            let excused = MAY_BE_LONG.iter().any(|(long, _)| *long == path);
            assert!(lines <= MAX_LINES || excused, "{path} has {lines} lines");
            assert!(text.starts_with("//!") || lines < 3, "{path} does not say what it is for");
        }
    }
}

#[test]
fn every_variable_stands_in_the_readme() {
    let Ok(readme) = std::fs::read_to_string(Path::new(ROOT).join("README.md")) else {
        eprintln!("skipped: there is no README.md yet");
        return;
    };
    for (name, _, _) in VARIABLES {
        assert!(readme.contains(name), "README.md does not explain {name}");
    }
}

#[test]
fn modules_are_found_in_every_way_of_naming_them() {
    let named = named_modules(
        "use crate::{db::{a, b}, jobs, telemetry::x};\nfn f() { crate::http::g() }\nuse crate::error::Error;",
    );
    assert_eq!(named, ["db", "error", "http", "jobs", "telemetry"].map(str::to_owned).into());
}
