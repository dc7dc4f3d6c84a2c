//! Files that are there whole or not at all.

use crate::error::{Error, Result, plain};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A place for a file that is written in one go after long work, judged before that work begins.
#[derive(Debug)]
pub(crate) struct Place {
    /// What it is, for people: `the capture`.
    what: &'static str,
    path: PathBuf,
    /// A device or a pipe: written where it is, for there is nothing to replace.
    in_place: bool,
}

impl Place {
    /// Makes sure that `what` can be written to `path`. Changes nothing there.
    pub(crate) fn new(what: &'static str, path: &Path) -> Result<Self> {
        // A symbolic link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let in_place = fs::metadata(&path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        let place = Self { what, path, in_place };
        let tried = if place.path.is_dir() || place.path.file_name().is_none() {
            Err(io::ErrorKind::IsADirectory.into())
        } else if in_place {
            OpenOptions::new().write(true).open(&place.path).map(drop)
        } else {
            let temporary = temporary_name(&place.path);
            File::create_new(&temporary).and_then(|_| fs::remove_file(&temporary))
        };
        tried.map_err(|error| place.error(&error))?;
        Ok(place)
    }

    /// Writes the file. It gets its name when it is whole; what was there before stays until then.
    pub(crate) fn write(&self, octets: &[u8]) -> Result {
        let written = if self.in_place {
            OpenOptions::new().write(true).open(&self.path).and_then(|mut file| file.write_all(octets))
        } else {
            let temporary = temporary_name(&self.path);
            let written = File::create_new(&temporary).and_then(|mut file| file.write_all(octets));
            let named = written.and_then(|()| fs::rename(&temporary, &self.path));
            if named.is_err() {
                // Nothing half-written stays; if it cannot be removed there is nobody left to tell.
                let _ = fs::remove_file(&temporary);
            }
            named
        };
        written.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &io::Error) -> Error {
        let (what, path, why) = (self.what, self.path.display(), plain(error));
        Error::usage(format!(
            "cannot write {what} '{path}': {why}; name a file in a directory you can write to"
        ))
    }
}

/// Makes sure that files can be made in a directory.
pub(crate) fn check_directory(what: &'static str, directory: &Path) -> Result {
    let temporary = temporary_name(&directory.join("probe"));
    File::create_new(&temporary).and_then(|_| fs::remove_file(&temporary)).map_err(|error| {
        let (path, why) = (directory.display(), plain(&error));
        Error::usage(format!("cannot write {what} into '{path}': {why}; name a directory you can write to"))
    })
}

/// Everything in a file, unless that is more than `most` octets.
pub(crate) fn read_at_most(path: &Path, most: u64) -> std::result::Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| plain(&error))?;
    let mut octets = Vec::new();
    file.take(most + 1).read_to_end(&mut octets).map_err(|error| plain(&error))?;
    if octets.len() as u64 > most {
        return Err(format!("it is larger than {} MiB", most >> 20));
    }
    Ok(octets)
}

/// The directory that a file is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name beside the final one, so that the rename stays inside one file system.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!(".{name}.linger-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("linger-file-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("scratch directory");
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("entry").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn judging_a_place_changes_nothing_there_and_writing_replaces_what_was_there() {
        let directory = scratch("whole");
        let path = directory.join("drawing");
        let place = Place::new("the drawing", &path).expect("a good place");
        assert!(names(&directory).is_empty());
        place.write(b"one").expect("written");
        Place::new("the drawing", &path).expect("a good place").write(b"two").expect("written");
        assert_eq!((fs::read(&path).expect("file").as_slice(), names(&directory).len()), (&b"two"[..], 1));
        fs::remove_dir_all(&directory).expect("clean");
    }

    #[test]
    fn file_that_cannot_be_written_leaves_nothing_behind() {
        let directory = scratch("nothing");
        let path = directory.join("drawing");
        let place = Place::new("the drawing", &path).expect("a good place");
        // It was taken meanwhile, by something that no file can replace.
        fs::create_dir_all(path.join("inside")).expect("directory");
        let error = place.write(b"one").expect_err("a directory is there").to_string();
        assert!(error.contains("cannot write the drawing") && error.contains("name a file"), "{error}");
        assert_eq!(names(&directory), ["drawing"]);
        fs::remove_dir_all(&directory).expect("clean");
    }

    #[test]
    fn place_where_no_file_can_be_is_found_out_beforehand() {
        let directory = scratch("refused");
        for path in [directory.clone(), directory.join("no/file"), "/".into(), "".into()] {
            assert!(Place::new("it", &path).is_err(), "{path:?}");
        }
        assert!(check_directory("scripts", &directory.join("no")).is_err());
        check_directory("scripts", &directory).expect("a good place");
        let full = Place::new("it", Path::new("/dev/full")).expect("a device is written in place");
        assert!(full.write(b"x").expect_err("no room").to_string().contains("no space left"));
        assert!(names(&directory).is_empty());
        fs::remove_dir_all(&directory).expect("clean");
    }

    #[test]
    fn no_more_is_read_than_asked_for() {
        assert!(read_at_most(Path::new("/dev/zero"), 1 << 20).expect_err("endless").contains("1 MiB"));
        assert_eq!(read_at_most(Path::new("/dev/null"), 0), Ok(Vec::new()));
    }
}
