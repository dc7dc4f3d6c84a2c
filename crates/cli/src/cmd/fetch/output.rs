//! Where the octets of a fetch go: stdout, or a file that appears under its name only when it is whole.
//!
//! Writing happens on a thread of its own behind a bounded queue, so that a slow disk or a full pipe closes the TCP
//! window instead of stopping the stack.

use crate::error::{Error, Result, plain};
use crate::file::{parent, temporary_name};
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Pieces that may wait for the disk.
const QUEUE: usize = 64;

/// Where to write, as asked for, checked before anything is fetched.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A device, a pipe or a socket: written in place, for there is nothing to replace.
    InPlace(PathBuf),
    /// A regular file, or none yet.
    File(PathBuf),
}

impl Target {
    /// Judges the path given with `-o`; `-` is stdout.
    pub(crate) fn of(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Ok(Self::Stdout) };
        // A symbolic link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                let shown = path.display();
                Err(Error::usage(format!("'{shown}' is a directory; name a file with -o")))
            }
            Ok(meta) if meta.is_file() => Ok(Self::File(path)),
            Ok(_) => Ok(Self::InPlace(path)),
            Err(_) => {
                let parent = parent(&path);
                if path.file_name().is_none() || !parent.is_dir() {
                    let (shown, parent) = (path.display(), parent.display());
                    return Err(Error::usage(format!("cannot write '{shown}': no directory '{parent}'")));
                }
                Ok(Self::File(path))
            }
        }
    }

    /// Whether octets go to stdout.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }
}

/// An output under way. Dropped before [`Output::finish`], it leaves nothing behind.
pub(crate) struct Output {
    queue: Option<mpsc::Sender<Bytes>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    place: Place,
}

enum Place {
    Stream { name: String },
    Temporary { temporary: PathBuf, path: PathBuf },
}

impl Output {
    /// Opens the target and starts its thread.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let (sink, place): (Box<dyn Write + Send>, Place) = match target {
            Target::Stdout => (Box::new(plain_stdout()?), Place::Stream { name: "stdout".into() }),
            Target::InPlace(path) => {
                let file = OpenOptions::new().write(true).open(path).map_err(|e| cannot_write(path, &e))?;
                (Box::new(file), Place::Stream { name: path.display().to_string() })
            }
            Target::File(path) => {
                let temporary = temporary_name(path);
                let file = File::create_new(&temporary).map_err(|e| cannot_write(path, &e))?;
                (Box::new(file), Place::Temporary { temporary, path: path.clone() })
            }
        };
        let (queue, pieces) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new().name("output".into()).spawn(move || write_out(sink, pieces));
        match writer {
            Ok(writer) => Ok(Self { queue: Some(queue), writer: Some(writer), place }),
            Err(error) => {
                place.clean();
                Err(Error::failed(format!("cannot start a thread: {}", plain(&error))))
            }
        }
    }

    /// Queues a piece; waits while the disk is behind.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result {
        let sent = match &self.queue {
            Some(queue) => queue.send(piece).await.is_ok(),
            None => false,
        };
        // The thread ends early only on an error of its own.
        if sent { Ok(()) } else { self.settle().await }
    }

    /// Waits until everything is written and gives the file its name.
    pub(crate) async fn finish(mut self) -> Result {
        self.settle().await?;
        match std::mem::replace(&mut self.place, Place::Stream { name: String::new() }) {
            Place::Stream { .. } => Ok(()),
            Place::Temporary { temporary, path } => fs::rename(&temporary, &path).map_err(|error| {
                let _ = fs::remove_file(&temporary);
                cannot_write(&path, &error)
            }),
        }
    }

    /// Ends the thread and reports how it went.
    async fn settle(&mut self) -> Result {
        self.queue = None;
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        match joined {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(match &self.place {
                Place::Stream { name } => Error::failed(format!("cannot write to {name}: {}", plain(&error))),
                Place::Temporary { path, .. } => cannot_write_on(path, &error),
            }),
            Ok(Err(_)) | Err(_) => Err(Error::failed("the thread that writes the output ended unexpectedly")),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.queue = None;
        self.place.clean();
    }
}

impl Place {
    fn clean(&self) {
        if let Self::Temporary { temporary, .. } = self {
            // Nothing half-written stays; if it cannot be removed there is nobody left to tell.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Stdout without the buffer that Rust flushes at every line: these octets are not lines.
fn plain_stdout() -> Result<File> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    stdout.map(File::from).map_err(|e| Error::usage(format!("cannot write to stdout: {}", plain(&e))))
}

fn write_out(mut sink: Box<dyn Write + Send>, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<()> {
    while let Some(piece) = pieces.blocking_recv() {
        sink.write_all(&piece)?;
    }
    sink.flush()
}

/// The target cannot be opened: the call is wrong.
fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::usage(format!("cannot write '{}': {}; name another file with -o", path.display(), plain(error)))
}

/// Writing failed on the way: the operation failed.
fn cannot_write_on(path: &Path, error: &io::Error) -> Error {
    Error::failed(format!("cannot write '{}': {}", path.display(), plain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("linger-output-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("scratch directory");
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("directory");
        entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn a_file_gets_its_name_only_when_it_is_whole() {
        let directory = scratch("whole");
        let path = directory.join("page");
        let mut output = Output::open(&Target::of(Some(&path)).expect("target")).expect("open");
        output.write(Bytes::from_static(b"hello ")).await.expect("write");
        assert!(!path.exists());
        output.write(Bytes::from_static(b"world")).await.expect("write");
        output.finish().await.expect("finish");
        assert_eq!(fs::read(&path).expect("file"), b"hello world");
        assert_eq!(names(&directory), ["page"]);
        fs::remove_dir_all(&directory).expect("clean");
    }

    #[tokio::test]
    async fn an_output_that_is_given_up_leaves_the_old_file_and_nothing_else() {
        let directory = scratch("given-up");
        let path = directory.join("page");
        fs::write(&path, "old").expect("old");
        let mut output = Output::open(&Target::of(Some(&path)).expect("target")).expect("open");
        output.write(Bytes::from_static(b"half")).await.expect("write");
        drop(output);
        assert_eq!(fs::read(&path).expect("file"), b"old");
        assert_eq!(names(&directory), ["page"]);
        fs::remove_dir_all(&directory).expect("clean");
    }

    #[test]
    fn a_target_that_cannot_be_is_refused_before_anything_is_fetched() {
        let directory = scratch("refused");
        let message = Target::of(Some(&directory)).unwrap_err().to_string();
        assert!(message.contains("is a directory"), "{message}");
        let message = Target::of(Some(&directory.join("no/file"))).unwrap_err().to_string();
        assert!(message.contains("no directory"), "{message}");
        assert!(Target::of(Some(Path::new("-"))).expect("stdout").is_stdout());
        assert!(matches!(Target::of(Some(Path::new("/dev/null"))), Ok(Target::InPlace(_))));
        fs::remove_dir_all(&directory).expect("clean");
    }
}
