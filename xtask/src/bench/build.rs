//! Builds the programs. A peer that cannot be built is absent, with the reason, and the rest goes on.

use super::plan::{Home, Measure, Program};
use crate::run::Workspace;
use crate::setup;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs that there are, and why others are absent.
pub(super) struct Built {
    /// The target directory of cargo.
    target: PathBuf,
    absent: Vec<(Home, String)>,
}

/// The longest that one run of a program may take, seconds.
const LIMIT: &str = "1800";

impl Built {
    /// Builds what `measures` need.
    pub(super) fn build(workspace: &Workspace, measures: &[&Measure]) -> Result<Self, String> {
        let mut built = Self { target: workspace.target()?, absent: Vec::new() };
        // The peers are needed in any case: smoltcp proves the harness.
        let bins = bins(measures);
        if !bins.is_empty() {
            workspace.cargo(&format!("build --locked --profile measure --package bench {bins}"))?;
        }
        if measures.iter().any(|measure| measure.program.name == "tun_suite") {
            debian("/usr/bin/wrk", &["wrk"])?;
        }
        if measures.iter().any(|measure| measure.words.contains("/linger~")) {
            workspace.cargo("build --locked --profile measure --package linger-cli")?;
        }
        let homes = [Home::Peers, Home::PeersTso, Home::Lwip, Home::Gvisor];
        let words = |measure: &Measure, home: Home| measure.words.contains(place_holder(home));
        for home in homes {
            let needed = measures.iter().any(|measure| measure.program.home == home || words(measure, home));
            if home != Home::Peers && !needed {
                continue;
            }
            if let Err(reason) = built.build_peer(workspace, home) {
                built.absent.push((home, reason));
            }
        }
        Ok(built)
    }

    fn build_peer(&self, workspace: &Workspace, home: Home) -> Result<(), String> {
        let source = workspace.root.join("bench/peers");
        let folder = self.folder(home);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        match home {
            Home::Own => Ok(()),
            Home::Peers => self.build_rust(workspace, "peers", "--bins"),
            Home::PeersTso => self.build_rust(workspace, "peers-tso", "--bin smol_tun --features smolseg"),
            Home::Lwip => {
                debian("/usr/include/lwip/lwip/tcp.h", &["gcc", "libc6-dev", "liblwip-dev"])?;
                for (program, library) in [("lwmem", "-ldl"), ("lwtun", "-llwip")] {
                    let mut gcc = Command::new("gcc");
                    gcc.args(["-O2", "-I/usr/include/lwip", "-o"]).arg(folder.join(program));
                    done(gcc.arg(source.join(format!("lwip/{program}.c"))).arg(library))?;
                }
                Ok(())
            }
            Home::Gvisor => {
                debian(
                    "/usr/share/gocode/src/gvisor.dev/gvisor",
                    &["golang-go", "golang-gvisor-gvisor-dev"],
                )?;
                let mut go = Command::new("go");
                go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").args(["build", "-o"]);
                done(go.arg(folder.join("gv")).arg(source.join("gvisor/gv.go")))
            }
        }
    }

    /// Builds the package of the peers into a target directory of its own.
    fn build_rust(&self, workspace: &Workspace, target: &str, what: &str) -> Result<(), String> {
        let manifest = workspace.root.join("bench/peers/Cargo.toml");
        workspace.cargo(&format!(
            "build --locked --release {what} --manifest-path {} --target-dir {}",
            manifest.display(),
            self.target.join(target).display()
        ))
    }

    fn folder(&self, home: Home) -> PathBuf {
        self.target.join(match home {
            Home::Own => "measure",
            Home::Peers => "peers/release",
            Home::PeersTso => "peers-tso/release",
            Home::Lwip => "peers/lwip",
            Home::Gvisor => "peers/gvisor",
        })
    }

    /// Why `home` is absent, if it is.
    pub(super) fn why_absent(&self, home: Home) -> Option<&str> {
        self.absent.iter().find(|(absent, _)| *absent == home).map(|(_, reason)| reason.as_str())
    }

    /// Everything that is absent.
    pub(super) fn absent(&self) -> &[(Home, String)] {
        &self.absent
    }

    /// The command that runs `program` with `words`, below `wrapper` if there is any.
    pub(super) fn command(&self, program: Program, words: &str, wrapper: &[&str]) -> Result<Command, String> {
        let folder = self.folder(program.home);
        let path = folder.join(program.name);
        if !path.is_file() {
            return Err(format!("{} is not there", path.display()));
        }
        let mut command = Command::new("timeout");
        command.current_dir(folder).arg(LIMIT);
        if program.alone {
            command.args(["unshare", "--net"]);
        }
        command.args(wrapper).arg(path);
        for word in words.split_whitespace() {
            command.arg(self.expand(word)?);
        }
        Ok(command)
    }

    fn expand(&self, word: &str) -> Result<String, String> {
        let mut word = word.replace('~', " ");
        for home in [Home::Own, Home::Peers, Home::PeersTso, Home::Lwip, Home::Gvisor] {
            if word.contains(place_holder(home)) {
                if let Some(reason) = self.why_absent(home) {
                    return Err(reason.to_owned());
                }
                word = word.replace(place_holder(home), &self.folder(home).to_string_lossy());
            }
        }
        Ok(word)
    }
}

/// The programs of our own that `measures` run, those that one of them starts included.
fn bins(measures: &[&Measure]) -> String {
    let own = measures.iter().filter(|measure| measure.program.home == Home::Own);
    let mut names: Vec<&str> = own.map(|measure| measure.program.name).collect();
    let started = measures.iter().filter_map(|measure| measure.words.split_once("{own}/"));
    names.extend(
        started.filter_map(|(_, rest)| rest.split([' ', '~']).next()).filter(|name| *name != "linger"),
    );
    if names.contains(&"tun_suite") {
        names.push("tun_hyper_pipe");
    }
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("--bin {name} ")).collect()
}

const fn place_holder(home: Home) -> &'static str {
    match home {
        Home::Own => "{own}",
        Home::Peers => "{peers}",
        Home::PeersTso => "{tso}",
        Home::Lwip => "{lwip}",
        Home::Gvisor => "{gvisor}",
    }
}

/// Installs `packages` unless `proof` is there.
pub(super) fn debian(proof: &str, packages: &[&str]) -> Result<(), String> {
    if Path::new(proof).exists() {
        return Ok(());
    }
    if setup::may_install() {
        eprintln!("installing {}", packages.join(" "));
        setup::install(packages);
    }
    if Path::new(proof).exists() {
        return Ok(());
    }
    Err(format!("{proof} is missing: sudo apt-get install --no-install-recommends {}", packages.join(" ")))
}

fn done(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name} failed: {}", error.lines().next_back().unwrap_or("without a word")))
        }
        Err(error) => Err(format!("{name} does not start: {error}")),
    }
}
