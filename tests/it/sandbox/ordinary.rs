//! What agents have run every day.

use super::{run, settings};

#[tokio::test]
async fn ordinary_code_works() {
    let ran = run(r#"
import base64, bisect, bz2, collections, csv, dataclasses, datetime, decimal, enum, fractions
import functools, hashlib, heapq, html, io, itertools, json, lzma, math, os, queue, random, re
import secrets, sqlite3, statistics, string, struct, sys, tempfile, textwrap, threading, time
import typing, unicodedata, urllib.parse, uuid, xml.etree.ElementTree, zlib
from concurrent.futures import ThreadPoolExecutor

print(json.dumps({"pi": round(math.pi, 4), "n": [1, 2]}))
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "good morning"))
print(statistics.mean([1, 2, 3, 4]), statistics.median([3, 1, 2]))
print("héllo ☃ 漢字 🦀", unicodedata.name("ß"))
print(decimal.Decimal("0.1") + decimal.Decimal("0.2"), fractions.Fraction(1, 3), 2 ** 100)
print(datetime.date(2026, 2, 28) + datetime.timedelta(days=1))
print(hashlib.sha256(b"x").hexdigest()[:8], len(secrets.token_bytes(4)), uuid.uuid4().version)
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda it: it * it, range(100))))
with tempfile.TemporaryDirectory() as folder:
    with open(folder + "/a.csv", "w") as file:
        csv.writer(file).writerow(["a", "b"])
    print(open(folder + "/a.csv").read().strip(), os.listdir(folder))
db = sqlite3.connect("/tmp/notes.db")
db.execute("create table notes (text)")
db.execute("insert into notes values ('kept')")
db.commit()
print(db.execute("select * from notes").fetchall())
print(repr(sys.stdin.read()), file=sys.stderr)
open(os.devnull, "w").write("nothing")
"#)
    .await;
    let expected = r#"{"pi": 3.1416, "n": [1, 2]}
morning good
2.5 2
héllo ☃ 漢字 🦀 LATIN SMALL LETTER SHARP S
0.3 1/3 1267650600228229401496703205376
2026-03-01
2d711642 4 4
328350
a,b ['a.csv']
[('kept',)]
"#;
    assert_eq!((&*ran.stdout, &*ran.stderr), (expected, "''\n"));
    assert_eq!((ran.exit_code, ran.truncated), (0, false));
}

#[tokio::test]
async fn how_code_ends_is_told() {
    let table = [
        ("pass", 0, ""),
        ("exit(3)", 3, ""),
        ("import sys; sys.exit('why')", 1, "why\n"),
        ("import os; os._exit(7)", 7, ""),
        // Signals that end a process: 128 and the number.
        ("import ctypes; ctypes.string_at(0)", 139, ""),
        ("import signal; signal.raise_signal(signal.SIGTERM); exit(5)", 5, ""),
    ];
    for (code, exit_code, stderr) in table {
        let ran = run(code).await;
        assert_eq!((ran.exit_code, &*ran.stderr), (exit_code, stderr), "{code}");
    }
    let ran = run("def f():\n    return 1/0\nprint('before')\nf()").await;
    assert_eq!((ran.exit_code, &*ran.stdout), (1, "before\n"));
    for part in ["Traceback", "\"/main.py\", line 2, in f", "return 1/0", "ZeroDivisionError"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let ran = run("print('only this'").await;
    assert!(ran.exit_code == 1 && ran.stderr.contains("SyntaxError"), "{ran:?}");
}

#[tokio::test]
async fn code_of_any_kind_arrives_as_it_is() {
    let long = format!("x = '''{}'''\nprint(len(x))", "ü\n\t\\\"".repeat(20_000));
    assert_eq!(run(&long).await.stdout, "80000\n");
    assert_eq!(run("").await.exit_code, 0);
    let sandbox = super::open(&settings());
    for (code, why) in [
        ("#".repeat(128 * 1024 + 1), "the code is longer than 131072 bytes"),
        ("print(1)\0print(2)".into(), "the code holds a NUL character"),
    ] {
        let failure = super::run_in(&sandbox, &code).await.unwrap_err();
        assert_eq!(failure.to_string(), why);
    }
}
