//! `specs/requirements.tsv` and `specs/explained.tsv`.

use std::collections::BTreeMap;

/// The requirements.
pub(super) const REQUIREMENTS: &str = "specs/requirements.tsv";
/// What is done otherwise, not at all, or not yet.
pub(super) const EXPLAINED: &str = "specs/explained.tsv";
const HEADER: &str = "id\tsource\tsection\tlevel\tarea\tapplies\trequirement";
const LEVELS: [&str; 6] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "REC"];

/// One row of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) id: String,
    /// `RFC 9293`.
    pub(super) source: String,
    pub(super) section: String,
    pub(super) level: String,
    pub(super) text: String,
}

/// Why a row has no test, or a test of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excuse {
    /// We do otherwise, knowingly; a test may show what.
    Deviation,
    /// It speaks of what we do not have.
    NotApplicable,
    /// A MAY that we do not take.
    NotTaken,
    /// To be done.
    Open,
}

/// A line of the explanations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// An id, or the start of several with a star behind it.
    pub(super) pattern: String,
    pub(super) excuse: Excuse,
    pub(super) reason: String,
}

/// Both files.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// In the order of the file.
    pub(super) rows: Vec<Requirement>,
    pub(super) explanations: Vec<Explanation>,
    index: BTreeMap<String, usize>,
}

impl Excuse {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "deviation" => Some(Self::Deviation),
            "not applicable" => Some(Self::NotApplicable),
            "may not taken" => Some(Self::NotTaken),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
}

impl Explanation {
    /// Whether it speaks of several rows at once; one that names a row wins over it.
    pub(super) fn is_bulk(&self) -> bool {
        self.pattern.ends_with('*')
    }

    pub(super) fn covers(&self, id: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(start) => id.starts_with(start),
            None => id == self.pattern,
        }
    }
}

impl Catalogue {
    pub(super) fn read(requirements: &str, explained: &str) -> Result<Self, String> {
        let mut catalogue = Self::default();
        let mut lines = requirements.lines();
        if lines.next() != Some(HEADER) {
            return Err(format!("{REQUIREMENTS}: the first line must be `{}`", HEADER.replace('\t', " ")));
        }
        for (number, line) in lines.enumerate() {
            let row = row(line).map_err(|reason| format!("{REQUIREMENTS}:{}: {reason}", number + 2))?;
            if catalogue.index.insert(row.id.clone(), catalogue.rows.len()).is_some() {
                return Err(format!("{REQUIREMENTS}:{}: {} stands there twice", number + 2, row.id));
            }
            catalogue.rows.push(row);
        }
        for (number, line) in explained.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let explanation =
                explanation(line).map_err(|reason| format!("{EXPLAINED}:{}: {reason}", number + 1))?;
            if catalogue.explanations.iter().any(|other| other.pattern == explanation.pattern) {
                return Err(format!("{EXPLAINED}:{}: {} twice", number + 1, explanation.pattern));
            }
            catalogue.explanations.push(explanation);
        }
        Ok(catalogue)
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.index.contains_key(id)
    }

    /// Whether rows of the RFC with this number are in the catalogue.
    pub(super) fn knows_rfc(&self, number: &str) -> bool {
        let start = format!("{number}-");
        self.index.range(start.clone()..).next().is_some_and(|(id, _)| id.starts_with(&start))
    }

    /// The explanation of a row: one that names it, else the longest start that covers it.
    pub(super) fn explanation(&self, id: &str) -> Option<&Explanation> {
        let covering = self.explanations.iter().filter(|explanation| explanation.covers(id));
        covering.max_by_key(|explanation| (!explanation.is_bulk(), explanation.pattern.len()))
    }
}

fn row(line: &str) -> Result<Requirement, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, source, section, level, _area, _applies, text] = fields.as_slice() else {
        return Err(format!("{} fields, not 7", fields.len()));
    };
    if !LEVELS.contains(level) {
        return Err(format!("{level} is no level"));
    }
    let number = source.strip_prefix("RFC ").unwrap_or_default();
    if number.is_empty() || !id.starts_with(&format!("{number}-")) {
        return Err(format!("the id {id} does not begin with the number of {source}"));
    }
    let own = |field: &&str| (*field).to_owned();
    Ok(Requirement {
        id: own(id),
        source: own(source),
        section: own(section),
        level: own(level),
        text: own(text),
    })
}

fn explanation(line: &str) -> Result<Explanation, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [pattern, word, reason] = fields.as_slice() else {
        return Err(format!("{} fields, not 3: id, state, reason", fields.len()));
    };
    let excuse = Excuse::parse(word)
        .ok_or_else(|| format!("`{word}` is none of deviation, not applicable, may not taken, open"))?;
    if reason.trim().is_empty() {
        return Err(format!("{pattern} without a reason"));
    }
    Ok(Explanation { pattern: (*pattern).to_owned(), excuse, reason: (*reason).to_owned() })
}
