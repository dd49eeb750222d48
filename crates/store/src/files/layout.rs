//! Where the logs are: `sessions/YYYY/MM/DD/rollout-<local time>-<id>.jsonl`, and `archived_sessions/` without the days.
//! The reference begins a new file beside the old one, `…-<id>_<uuid>.jsonl`, when it reverts a thread.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Days, Local, NaiveDate, NaiveDateTime, Utc};
use uuid::Uuid;

const SESSIONS: &str = "sessions";
const ARCHIVE: &str = "archived_sessions";
const STEM: &str = "rollout-";
const TIME: &str = "%Y-%m-%dT%H-%M-%S";
const TIME_LEN: usize = "YYYY-MM-DDThh-mm-ss".len();

/// A file that should be a log, as its place tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: String,
    /// Which of the thread's files it is: the later, the larger. None: the first.
    pub(crate) part: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) archived: bool,
}

/// The folders below a home.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    home: PathBuf,
}

impl Layout {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { home }
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The folder of what is archived.
    pub(crate) fn archive(&self) -> PathBuf {
        self.home.join(ARCHIVE)
    }

    /// Where a new thread's log goes: into the day in which its id was made.
    pub(crate) fn place(&self, id: Uuid) -> Place {
        let made = made(id).unwrap_or_else(Utc::now).with_timezone(&Local).naive_local();
        let path = self.day(made.date()).join(format!("{STEM}{}-{id}.jsonl", made.format(TIME)));
        Place { id: id.to_string(), part: None, path, archived: false }
    }

    /// The same log in the archive, or out of it again. None: its name does not say which day it belongs to.
    pub(crate) fn moved(&self, place: &Place, archived: bool) -> Option<Place> {
        let name = place.path.file_name()?.to_str()?;
        let folder = if archived { self.archive() } else { self.day(parse(name)?.0.date()) };
        Some(Place { path: folder.join(name), archived, ..place.clone() })
    }

    /// The newest log of a thread.
    pub(crate) fn find(&self, id: &str) -> io::Result<Option<Place>> {
        self.search(id, None, |named, _| named == id)
    }

    /// The log that a base names: the first of a thread, or a later one by its own id. It is often `beside` a file.
    pub(crate) fn find_part(&self, id: &str, beside: &Path) -> io::Result<Option<Place>> {
        self.search(id, beside.parent(), |named, part| part.unwrap_or(named) == id)
    }

    /// The newest log of a thread in the folder where an older one may be.
    pub(crate) fn newest_beside(&self, place: Place) -> io::Result<Place> {
        let folder = place.path.parent().unwrap_or(&self.home);
        Ok(self.newest(folder, |named, _| named == place.id)?.unwrap_or(place))
    }

    /// All logs of a thread, of which one is `place`, the newest last.
    pub(crate) fn parts(&self, place: &Place) -> io::Result<Vec<Place>> {
        let day = self.moved(place, false);
        let day = day.as_ref().and_then(|place| place.path.parent()).map(Path::to_owned);
        // A file that somebody moved is in a folder of another day.
        let here = place.path.parent().map(Path::to_owned);
        let mut folders: Vec<PathBuf> = [day, Some(self.archive()), here].into_iter().flatten().collect();
        folders.sort_unstable();
        folders.dedup();
        let mut parts = Vec::new();
        for folder in folders {
            parts.extend(self.files(&folder, |named, _| named == place.id)?);
        }
        parts.sort_by(|a, b| a.part.cmp(&b.part));
        Ok(parts)
    }

    fn newest(&self, folder: &Path, wanted: impl Fn(&str, Option<&str>) -> bool) -> io::Result<Option<Place>> {
        Ok(self.files(folder, wanted)?.into_iter().max_by(|a, b| a.part.cmp(&b.part)))
    }

    /// Looks first where the id says that the log should be, and then everywhere.
    fn search(
        &self,
        id: &str,
        first: Option<&Path>,
        wanted: impl Fn(&str, Option<&str>) -> bool,
    ) -> io::Result<Option<Place>> {
        let likely = first.map(Path::to_owned).into_iter().chain(self.likely_days(id)).chain([self.archive()]);
        for folder in likely {
            if let Some(place) = self.newest(&folder, &wanted)? {
                return Ok(Some(place));
            }
        }
        for day in self.days(usize::MAX)? {
            if let Some(place) = self.newest(&day, &wanted)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// The folders of days, the newest first: those of so many years, of so many months in each, and so on.
    pub(crate) fn days(&self, per_level: usize) -> io::Result<Vec<PathBuf>> {
        let mut folders = vec![self.home.join(SESSIONS)];
        for _year_month_day in 0..3 {
            let mut below = Vec::new();
            for folder in folders {
                let mut entries = subfolders(&folder)?;
                entries.sort_unstable_by(|a, b| b.cmp(a));
                below.extend(entries.into_iter().take(per_level));
            }
            folders = below;
        }
        Ok(folders)
    }

    /// The newest log of each thread in a folder. A folder that is not there holds none.
    pub(crate) fn logs(&self, folder: &Path) -> io::Result<Vec<Place>> {
        let mut newest = HashMap::<String, Place>::new();
        for file in self.files(folder, |_, _| true)? {
            match newest.entry(file.id.clone()) {
                Entry::Vacant(free) => drop(free.insert(file)),
                Entry::Occupied(mut taken) if taken.get().part < file.part => drop(taken.insert(file)),
                Entry::Occupied(_) => {}
            }
        }
        Ok(newest.into_values().collect())
    }

    /// The logs in a folder of which the id and the part, as their names tell, are wanted.
    fn files(&self, folder: &Path, wanted: impl Fn(&str, Option<&str>) -> bool) -> io::Result<Vec<Place>> {
        let archived = folder == self.archive();
        let Some(entries) = list(folder)? else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let named = name.to_str().and_then(parse);
            if let Some((_, id, part)) = named.filter(|(_, id, part)| wanted(id, *part)) {
                let (id, part) = (id.to_owned(), part.map(str::to_owned));
                places.push(Place { id, part, path: entry.path(), archived });
            }
        }
        Ok(places)
    }

    fn day(&self, date: NaiveDate) -> PathBuf {
        self.home
            .join(SESSIONS)
            .join(date.format("%Y").to_string())
            .join(date.format("%m").to_string())
            .join(date.format("%d").to_string())
    }

    /// The days in which the id may have been made: it knows the time, but not in which time zone its file was named.
    fn likely_days(&self, id: &str) -> Vec<PathBuf> {
        let Some(date) = id.parse().ok().and_then(made).map(|time| time.date_naive()) else { return Vec::new() };
        let day = Days::new(1);
        [Some(date), date.checked_sub_days(day), date.checked_add_days(day)]
            .into_iter()
            .flatten()
            .map(|date| self.day(date))
            .collect()
    }
}

/// Which of the thread's logs a path is, if it is one and there.
pub(crate) fn part(path: &Path, id: &str) -> Option<Option<String>> {
    let (_, named, part) = parse(path.file_name()?.to_str()?)?;
    (named == id && path.is_file()).then(|| part.map(str::to_owned))
}

/// When an id was made, if it says so.
fn made(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// The time, the id and the part in the name of a log.
fn parse(name: &str) -> Option<(NaiveDateTime, &str, Option<&str>)> {
    let (time, id) = name.strip_prefix(STEM)?.strip_suffix(".jsonl")?.split_at_checked(TIME_LEN)?;
    let id = id.strip_prefix('-').filter(|id| !id.is_empty())?;
    let (id, part) = id.split_once('_').map_or((id, None), |(id, part)| (id, Some(part)));
    Some((NaiveDateTime::parse_from_str(time, TIME).ok()?, id, part))
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = list(folder)? else { return Ok(Vec::new()) };
    let entries = entries.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.iter().map(fs::DirEntry::path).filter(|path| path.is_dir()).collect())
}

fn list(folder: &Path) -> io::Result<Option<fs::ReadDir>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries)),
        // What is no folder holds no logs either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use pretty_assertions::assert_eq;
    use uuid::Uuid;

    use super::{Layout, Place};

    fn put(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    fn layout() -> (tempfile::TempDir, Layout) {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path().to_owned());
        (home, layout)
    }

    #[test]
    fn a_thread_is_found_wherever_it_is() {
        let (_home, layout) = layout();
        assert_eq!(layout.find("nobody").unwrap(), None);
        let new = layout.place(Uuid::now_v7());
        put(&new.path);
        assert_eq!(layout.find(&new.id).unwrap(), Some(new.clone()));
        let archived = layout.moved(&new, true).unwrap();
        assert_eq!(layout.moved(&archived, false).unwrap(), new);
        fs::create_dir_all(layout.archive()).unwrap();
        fs::rename(&new.path, &archived.path).unwrap();
        assert_eq!(layout.find(&new.id).unwrap(), Some(archived));
        let id = Uuid::new_v4().to_string();
        let path = layout.home().join(format!("sessions/2020/01/02/rollout-2020-01-02T03-04-05-{id}.jsonl"));
        put(&path);
        assert_eq!(layout.find(&id).unwrap(), Some(Place { id, part: None, path, archived: false }));
    }

    #[test]
    fn of_several_logs_of_a_thread_the_newest_counts() {
        let (_home, layout) = layout();
        let first = layout.place(Uuid::now_v7());
        let (old, new) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
        let stem = first.path.to_str().unwrap().strip_suffix(".jsonl").unwrap().to_owned();
        for path in [first.path.clone(), format!("{stem}_{new}.jsonl").into(), format!("{stem}_{old}.jsonl").into()] {
            put(&path);
        }
        let found = layout.find(&first.id).unwrap().unwrap();
        assert_eq!(found.part.as_ref(), Some(&new));
        assert_eq!(layout.logs(first.path.parent().unwrap()).unwrap(), vec![found.clone()]);
        let part = |id: &str| layout.find_part(id, &found.path).unwrap().unwrap().part;
        assert_eq!((part(&first.id), part(&old)), (None, Some(old.clone())));
        let archived = layout.moved(&first, true).unwrap();
        fs::create_dir_all(layout.archive()).unwrap();
        fs::rename(&first.path, &archived.path).unwrap();
        let parts = layout.parts(&found).unwrap();
        assert_eq!(parts.into_iter().map(|place| place.part).collect::<Vec<_>>(), [None, Some(old), Some(new)]);
    }

    #[test]
    fn a_time_zone_may_put_a_thread_into_the_next_day() {
        let (_home, layout) = layout();
        let id = "01a1ff14-d5f4-7343-be12-07a1ab9c80bb";
        for day in ["2026-11-20", "2026-11-22"] {
            let path = layout
                .home()
                .join("sessions")
                .join(day.replace('-', "/"))
                .join(format!("rollout-{day}T01-00-00-{id}.jsonl"));
            put(&path);
            assert!(layout.likely_days(id).contains(&path.parent().unwrap().to_owned()));
            assert_eq!(layout.find(id).unwrap().unwrap().path, path);
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn days_come_newest_first_and_strange_files_are_passed_over() {
        let (_home, layout) = layout();
        for day in ["2025/12/31", "2026/01/02", "2026/01/10"] {
            put(&layout.home().join("sessions").join(day).join("rollout-x.jsonl"));
        }
        put(&layout.home().join("sessions/notes.txt"));
        let all = ["2026/01/10", "2026/01/02", "2025/12/31"].map(|day| layout.home().join("sessions").join(day));
        assert_eq!(layout.days(usize::MAX).unwrap(), all);
        assert_eq!(layout.days(2).unwrap(), all);
        assert_eq!(layout.days(1).unwrap(), all[..1]);
        assert_eq!(layout.logs(&layout.home().join("sessions/2026/01/10")).unwrap(), []);
    }
}
