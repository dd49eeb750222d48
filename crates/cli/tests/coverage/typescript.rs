//! The compiler's word on two sets of TypeScript: which types can be assigned to which. It is asked by one file with a
//! wrong line per pair of types, and answers by complaining about each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bindings::{Sort, ours};
use crate::compare::Verdict;

/// A pair of types: how the reference's and ours are written in the file.
pub(crate) struct Pair {
    reference: String,
    ours: String,
}

/// The file that asks.
pub(crate) struct Question {
    reference: PathBuf,
    imports: String,
    pairs: Vec<(String, Pair)>,
}

impl Question {
    pub(crate) fn new(reference: PathBuf) -> Self {
        Self { reference, imports: String::new(), pairs: Vec::new() }
    }

    /// Asks about the parameters of a message.
    pub(crate) fn params(&mut self, (union, _): Sort, method: &str) {
        let reference = format!("Params<Reference.{union}, \"{method}\">");
        let ours = format!("Params<Ours.{union}, \"{method}\">");
        self.pairs.push((format!("{method} params"), Pair { reference, ours }));
    }

    /// Asks about what answers a request.
    pub(crate) fn result(&mut self, method: &str, type_name: &str) {
        let folder = |root: &Path| if root.join("v2").join(format!("{type_name}.ts")).exists() { "/v2" } else { "" };
        let ours = folder(&ours().join("typescript"));
        let reference = folder(&self.reference);
        let number = self.pairs.len();
        let _ = writeln!(
            self.imports,
            "import type {{ {type_name} as R{number} }} from './reference{reference}/{type_name}';"
        );
        let _ = writeln!(self.imports, "import type {{ {type_name} as O{number} }} from './ours{ours}/{type_name}';");
        let pair = Pair { reference: format!("R{number}"), ours: format!("O{number}") };
        self.pairs.push((format!("{method} result"), pair));
    }

    /// Asks. The verdicts are those on what may be written where: objects may always have more members.
    pub(crate) fn ask(self, tsc: &Path) -> BTreeMap<String, Verdict> {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.reference, &folder.path().join("reference"));
        copy(&ours().join("typescript"), &folder.path().join("ours"));
        let mut text = format!("{}{HEAD}", self.imports);
        let first = text.lines().count() + 1;
        for (number, (_, pair)) in self.pairs.iter().enumerate() {
            let _ = writeln!(text, "const c{number}: Verdict<{}, {}> = '?';", pair.reference, pair.ours);
        }
        std::fs::write(folder.path().join("check.ts"), text).unwrap();
        let mut command = Command::new(tsc);
        command.args([
            "--noEmit",
            "--strict",
            "--module",
            "esnext",
            "--moduleResolution",
            "bundler",
            "--pretty",
            "false",
        ]);
        let output = command.arg("check.ts").current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let verdicts: BTreeMap<String, Verdict> = said
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| {
                let (number, verdict) =
                    complaint(line).unwrap_or_else(|| panic!("the compiler did not read on: {line}"));
                (self.pairs[number - first].0.clone(), verdict)
            })
            .collect();
        assert_eq!(verdicts.len(), self.pairs.len(), "{said}");
        verdicts
    }
}

const HEAD: &str = "
import type * as Reference from './reference/index';
import type * as Ours from './ours/index';
type Params<Union, Method> = Union extends { method: Method } ? 'params' extends keyof Union ? Union['params'] : null : never;
type Verdict<R, O> = [R] extends [O] ? ([O] extends [R] ? 'same' : 'wider') : ([O] extends [R] ? 'narrower' : 'other');
";

/// The line of `check.ts` and the verdict that the compiler wanted there.
fn complaint(line: &str) -> Option<(usize, Verdict)> {
    let number = line.strip_prefix("check.ts(")?.split_once(',')?.0.parse().ok()?;
    let word = line.rsplit_once("to type '\"")?.1.split('"').next()?;
    Some((number, Verdict::ALL.into_iter().find(|verdict| verdict.word() == word)?))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
