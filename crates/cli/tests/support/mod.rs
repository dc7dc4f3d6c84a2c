//! What the tests of the program share: starting it, waiting for it with a limit, networks of their own.
#![allow(dead_code)]

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest time anything here may take; only reached when something is wrong.
const LIMIT: Duration = Duration::from_secs(30);

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// One line for the user on stderr, nothing on stdout, and this exit status.
    #[track_caller]
    pub(crate) fn assert_mistake(&self, status: i32, what: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("linger: ") && self.stderr.contains(what), "{what}: {self:?}");
    }
}

/// The program, with these arguments.
pub(crate) fn linger(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linger"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Ended {
    finish(linger(arguments).spawn().expect("linger starts"))
}

/// Waits for the end of a program and collects what it said.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Ended {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut text).expect("readable");
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("waitable") {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().expect("killable");
            child.wait().expect("waitable");
            panic!("still running after {LIMIT:?}: {:?} {:?}", stdout.join(), stderr.join());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stdout = stdout.join().expect("stdout");
    let stderr = stderr.join().expect("stderr");
    Ended { status: status.code().unwrap_or(-1), stdout, stderr }
}

/// A `linger serve` that runs until it is told to stop, or the test ends.
pub(crate) struct Serving {
    child: Option<Child>,
    pub(crate) stdout: BufReader<ChildStdout>,
    /// What it printed first.
    pub(crate) greeting: String,
}

impl Serving {
    /// Starts it and waits until it can be used.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(linger(&[&["serve"], arguments].concat()).spawn().expect("linger starts"))
    }

    /// The same for one that was started already.
    #[track_caller]
    pub(crate) fn of(mut child: Child) -> Self {
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).expect("readable");
        if greeting.is_empty() {
            panic!("it did not start: {:?}", finish(child));
        }
        Self { child: Some(child), stdout, greeting }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("running").id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Waits for the end; its `stdout` is what came after the greeting.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        let ended = finish(self.child.take().expect("running"));
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("readable");
        Ended { stdout, ..ended }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal to a process that the test started.
pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, signal).expect("signalled");
}

/// Runs a test in a network namespace of its own, which ends with it. A namespace belongs to a thread, and what the
/// thread starts is born into it.
pub(crate) fn in_fresh_network<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    in_fresh(CloneFlags::CLONE_NEWNET, test)
}

/// The same with any other namespaces.
pub(crate) fn in_fresh<T: Send>(what: CloneFlags, test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            nix::sched::unshare(what).expect("these tests make network namespaces and need root");
            let result = test();
            assert_eq!(interfaces(), ["lo"], "nothing is left behind");
            result
        });
        match inside.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The user `nobody`, who may do nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// Runs a test as an ordinary user's program sees the world, where `/dev/net/tun` has this mode: with a network and
/// mounts of its own. The command is the program without arguments.
pub(crate) fn as_nobody<T: Send>(mode: u32, test: impl FnOnce(&mut Command) -> T + Send) -> T {
    in_fresh(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS, move || {
        let scratch = Scratch::new();
        // The build directory may be closed to others.
        let program = scratch.at("linger");
        std::fs::copy(env!("CARGO_BIN_EXE_linger"), &program).expect("copied");
        let node = scratch.at("tun");
        mknod(node.as_str(), SFlag::S_IFCHR, Mode::empty(), makedev(10, 200)).expect("a node");
        std::fs::set_permissions(&node, std::fs::Permissions::from_mode(mode)).expect("its mode");
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("private");
        mount(Some(node.as_str()), "/dev/net/tun", None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .expect("bound");
        let mut command = Command::new(&program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        test(command.uid(NOBODY).gid(NOBODY).current_dir("/"))
    })
}

/// Runs `ip` with these words in the present namespace.
#[track_caller]
pub(crate) fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().expect("ip starts");
    assert!(status.success(), "ip {words}");
}

/// The interfaces of the present namespace.
pub(crate) fn interfaces() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").expect("readable");
    let names = table.lines().skip(2).filter_map(|line| line.split(':').next());
    names
        .map(|name| name.trim())
        .filter(|name| *name == "lo" || name.starts_with("linger"))
        .map(Into::into)
        .collect()
}

/// A directory of its own for one test, gone at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("linger-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("scratch directory");
        Self(path)
    }

    /// The path of something inside, as text.
    pub(crate) fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    /// A file inside.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.at(name);
        std::fs::write(&path, text).expect("writable");
        path
    }

    /// Everything inside, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asks a server over a kernel socket and reads until it closes.
#[track_caller]
pub(crate) fn ask(server: &str, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).expect("writable");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("readable");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A kernel socket that does not wait for ever.
#[track_caller]
pub(crate) fn connect(server: &str) -> TcpStream {
    let server: SocketAddr = server.parse().expect("an address");
    let stream = TcpStream::connect_timeout(&server, LIMIT).expect("connected");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
    stream.set_write_timeout(Some(LIMIT)).expect("set");
    stream
}

/// A server on kernel sockets in the present namespace, on every address: each connection gets what `answer` makes
/// of its request, then is closed. It ends with the process.
pub(crate) fn kernel_server(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("[::]:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).is_ok_and(|n| n > 0) {}
            // The client may have gone away, as some tests want.
            let _ = stream.write_all(answer(&request).as_bytes());
        }
    });
    port
}
