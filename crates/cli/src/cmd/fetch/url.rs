//! The URL of a fetch: what of it we can use, and where a redirect leads.

use crate::error::{Error, Result};
use hyper::Uri;
use std::fmt;
use std::net::IpAddr;

/// A URL that can be fetched: http, a host, a port, a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// Reads a URL as typed. Without a scheme it is taken as http.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        // What follows '#' is for the reader of the page, not for the server.
        let text = text.split('#').next().unwrap_or_default();
        let with_scheme = match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => format!("http://{rest}"),
                "https" => {
                    let why = "https is not supported yet (no TLS); use an http:// URL";
                    return Err(Error::usage(format!("cannot fetch '{text}': {why}")));
                }
                other => {
                    let why = format!("the scheme '{other}' is not supported; use an http:// URL");
                    return Err(Error::usage(format!("cannot fetch '{text}': {why}")));
                }
            },
            None => format!("http://{text}"),
        };
        let wrong =
            || Error::usage(format!("'{text}' is not a URL; write it such as http://10.7.1.1:8000/page"));
        let uri: Uri = with_scheme.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(Error::usage(
                "a user name in the URL is not supported; leave out what is before the '@'",
            ));
        }
        let host = authority.host().to_ascii_lowercase();
        let after_host = authority.as_str().get(authority.host().len()..).unwrap_or_default();
        let port = match after_host.strip_prefix(':') {
            None | Some("") => 80,
            Some(port) => port.parse::<u16>().ok().filter(|&port| port != 0).ok_or_else(wrong)?,
        };
        if host.is_empty() || (host.starts_with('[') && bracketed(&host).is_none()) {
            return Err(wrong());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, path })
    }

    /// The address, where the host is one.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        bracketed(&self.host).or_else(|| self.host.parse().ok())
    }

    /// The host as written: a name, or an address (IPv6 in brackets).
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as a request line has them.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of the Host field: the port is left out where it is the usual one.
    pub(crate) fn host_field(&self) -> String {
        if self.port == 80 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Where `location` leads from here (RFC 3986 §5.2).
    pub(crate) fn redirect(&self, location: &str) -> Result<Self> {
        let location = location.trim();
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("http://{rest}"));
        }
        let (own_path, _) = split_query(&self.path);
        let (path, query) = split_query(location);
        let merged = if path.is_empty() {
            own_path.to_owned()
        } else if path.starts_with('/') {
            path.to_owned()
        } else {
            let directory = own_path.rfind('/').map_or("/", |slash| &own_path[..=slash]);
            format!("{directory}{path}")
        };
        let path = format!("{}{query}", without_dots(&merged));
        Self::parse(&format!("http://{}{path}", self.host_field()))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host_field(), self.path)
    }
}

/// The address inside `[...]`.
fn bracketed(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok().map(IpAddr::V6)
}

/// `a?b` as `a` and `?b`.
fn split_query(text: &str) -> (&str, &str) {
    text.find('?').map_or((text, ""), |at| text.split_at(at))
}

/// Takes `.` and `..` out of an absolute path (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in path.split('/').skip(1) {
        last = segment;
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    // A path that ends in a dot segment names a directory.
    if matches!(last, "." | "..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
