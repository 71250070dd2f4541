//! The Dockerfile, read as text: what it copies is there, and what runs is not root.

use std::fs;
use std::path::Path;

use clap::{Args, Command, FromArgMatches};
use gatewright::settings::{Settings, SettingsArgs};

const BINARY: &str = "/usr/local/bin/gatewright";

struct Instruction {
    word: String,
    rest: String,
}

impl Instruction {
    /// The words after the flags.
    fn operands(&self) -> Vec<&str> {
        self.rest.split_whitespace().skip_while(|it| it.starts_with("--")).collect()
    }

    fn flag(&self, name: &str) -> Option<&str> {
        let flags = self.rest.split_whitespace().take_while(|it| it.starts_with("--"));
        flags.filter_map(|it| it.strip_prefix(name)?.strip_prefix('=')).next()
    }

    /// The command of the exec form, or nothing where a shell would run it.
    fn exec_form(&self) -> Option<Vec<String>> {
        serde_json::from_str(&self.rest[self.rest.find('[')?..]).ok()
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The instructions of each stage.
fn stages() -> Vec<Vec<Instruction>> {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim_start().starts_with('#')).collect();
    let mut stages = Vec::new();
    for line in lines.join("\n").replace("\\\n", " ").lines() {
        let Some((word, rest)) = line.trim().split_once(' ') else { continue };
        if word == "FROM" {
            stages.push(Vec::new());
        }
        let instruction = Instruction { word: word.to_owned(), rest: rest.trim().to_owned() };
        stages.last_mut().unwrap().push(instruction);
    }
    stages
}

/// The last instruction of that word in the stage that runs.
fn of_image(word: &str) -> Instruction {
    stages().pop().unwrap().into_iter().rfind(|it| it.word == word).unwrap()
}

/// Whether a pattern of .dockerignore (without `**` and `!`) takes a path, or a folder above it.
fn is_taken(pattern: &str, path: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    patterns.len() <= parts.len() && patterns.iter().zip(&parts).all(|(a, b)| part_matches(a, b))
}

fn part_matches(pattern: &str, part: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == part,
        Some((start, rest)) => part.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.into_iter().any(|at| part_matches(rest, &left[at..]))
        }),
    }
}

fn ignored() -> Vec<String> {
    read(".dockerignore").lines().map(str::to_owned).collect()
}

#[test]
fn everything_copied_from_the_tree_is_there() {
    let mut copied = Vec::new();
    for instruction in stages().iter().flatten().filter(|it| ["COPY", "ADD"].contains(&&*it.word)) {
        if instruction.flag("--from").is_some() {
            continue;
        }
        let mut operands = instruction.operands();
        assert!(operands.len() > 1, "{}", instruction.rest);
        operands.pop();
        for path in operands {
            let path = path.trim_end_matches('/');
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "no `{path}`");
            let by = ignored().into_iter().find(|it| is_taken(it, path));
            assert_eq!(by, None, "`{path}` is in .dockerignore");
            copied.push(path.to_owned());
        }
    }
    assert!(copied.iter().any(|it| it == "policies") && copied.iter().any(|it| it == "schemas"));
}

#[test]
fn nothing_secret_and_nothing_built_is_sent_to_the_builder() {
    let ignored = ignored();
    assert!(ignored.iter().all(|it| !it.contains("**") && !it.starts_with('!')), "see is_taken");
    for path in [".env", ".git/config", "target/debug", "gatewright-keys/access.key", "a.db-wal"] {
        assert!(ignored.iter().any(|it| is_taken(it, path)), "{path}");
    }
    for path in ["Cargo.toml", "Cargo.lock", "src/main.rs", "deploy/gatewright.toml"] {
        assert!(!ignored.iter().any(|it| is_taken(it, path)), "{path}");
    }
}

#[test]
fn what_comes_from_another_stage_has_such_a_stage() {
    let mut names: Vec<String> = Vec::new();
    for stage in stages() {
        for from in stage.iter().filter_map(|it| it.flag("--from")) {
            assert!(names.iter().any(|it| it == from), "no stage `{from}`");
        }
        names.extend(stage[0].rest.split_once(" AS ").map(|(_, name)| name.to_owned()));
    }
}

#[test]
fn the_builder_is_the_rust_that_the_package_asks_for() {
    let package: toml::Table = read("Cargo.toml").parse().unwrap();
    let rust = package["package"]["rust-version"].as_str().unwrap();
    assert!(stages()[0][0].rest.starts_with(&format!("rust:{rust}-bookworm ")));
}

#[test]
fn the_image_runs_its_binary_as_nobody_in_particular() {
    let user = of_image("USER").rest;
    let ids: Vec<u32> = user.split(':').map(|it| it.parse().unwrap()).collect();
    assert!(ids.len() == 2 && ids.iter().all(|it| *it > 0), "{user}");
    assert_eq!(of_image("ENTRYPOINT").exec_form().unwrap(), [BINARY]);
    assert_eq!(of_image("CMD").exec_form().unwrap(), ["serve"]);
    assert_eq!(of_image("HEALTHCHECK").exec_form().unwrap(), [BINARY, "health"]);
    let image = stages().pop().unwrap();
    let copies = image.iter().filter(|it| it.word == "COPY");
    let places: Vec<&str> = copies.filter_map(|it| it.operands().pop()).collect();
    assert!(places.contains(&BINARY), "{places:?}");
    let state = of_image("VOLUME").rest;
    let owned = image.iter().find(|it| it.operands().last() == Some(&&*state)).unwrap();
    assert_eq!(owned.flag("--chown"), Some(&*user));
}

#[test]
fn the_image_s_settings_load_and_write_to_its_volume_alone() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gatewright.toml");
    let matches = SettingsArgs::augment_args(Command::new("serve")).get_matches_from([
        "serve".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ]);
    let args = SettingsArgs::from_arg_matches(&matches).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::load(&args, [], folder.path()).unwrap();
    let state = of_image("VOLUME").rest;
    let (auth, credentials) = (&settings.auth, &settings.credentials);
    let (audit, secrets) = (&settings.audit.key_file, &settings.secrets.master_key_file);
    for file in [&auth.key_file, &auth.factors_key_file, &credentials.key_file, audit, secrets] {
        assert!(file.starts_with(&state), "{}", file.display());
    }
    assert!(format!("{:?}", settings.database.url).starts_with(&format!("sqlite:{state}/")));
    let image = stages().pop().unwrap();
    let places: Vec<&str> = image.iter().filter_map(|it| it.operands().pop()).collect();
    for folder in [&settings.policy.dir, &settings.policy.schema_dir] {
        assert!(places.contains(&folder.to_str().unwrap()), "{}", folder.display());
    }
    let config = of_image("ENV").rest;
    let named = config.strip_prefix("GATEWRIGHT_CONFIG=").unwrap();
    assert!(places.contains(&named), "{named}");
}
