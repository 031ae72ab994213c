//! Accepted records on their way from the judge to the staging table: already encoded, persons apart, so that
//! subjects can be looked up a chunk at a time.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use aws_lc_rs::hmac;

use crate::db::copy::TupleWriter;
use crate::db::identity_reviews::Contradiction;
use crate::db::{staged_applications, staging};
use crate::domain::contract::{AccountSnapshot, Application, HolderRole, IdType, SubjectBlock, SubjectType};
use crate::domain::identity::names::{NormalisedName, contradicts};
use crate::domain::marks::Marks;
use crate::domain::rules::identity::CheckedIdentity;
use crate::error::{Error, Result};
use crate::ids::SubjectId;
use crate::privacy::{Aad, Keyring, MacPurpose, Token, random};

/// Records of a chunk: enough to make a look-up worth its round trip, little enough to keep memory small.
const ROWS: usize = 8192;

/// Who a record is about.
pub struct Person<'a> {
    pub token: Token,
    pub id_type: IdType,
    pub subject_type: SubjectType,
    number: &'a str,
    name: &'a str,
    secondary: Option<(Token, IdType, &'a str)>,
}

impl<'a> Person<'a> {
    pub fn new(keys: &Keyring, subject: &SubjectBlock<'a>, identity: &'a CheckedIdentity) -> Person<'a> {
        let primary = &identity.primary;
        Person {
            token: keys.token(primary.id_type(), primary.as_str()),
            id_type: primary.id_type(),
            subject_type: subject.subject_type.unwrap_or(SubjectType::Individual),
            number: primary.as_str(),
            name: subject.full_name.unwrap_or_default(),
            secondary: identity
                .secondary
                .as_ref()
                .map(|id| (keys.token(id.id_type(), id.as_str()), id.id_type(), id.as_str())),
        }
    }
}

#[derive(Debug)]
struct ChunkRow {
    record_no: u64,
    record: Range<usize>,
    /// Empty for an application.
    account_ref: Range<usize>,
    primary_holder: bool,
    token: Token,
    id_type: IdType,
    subject_type: SubjectType,
    number: Range<usize>,
    name: Range<usize>,
    secondary: Option<(Token, IdType, Range<usize>)>,
}

impl ChunkRow {
    /// The identifiers that the record names.
    fn tokens(&self) -> impl Iterator<Item = &Token> {
        std::iter::once(&self.token).chain(self.secondary.as_ref().map(|(token, _, _)| token))
    }
}

/// Accepted records, snapshots or applications, encoded but for their subjects. Holds identifiers in clear for as long
/// as it lives; prints nothing of them.
pub struct Chunk {
    /// Fields of a staged tuple: those of the record between its subject and its person.
    fields: i16,
    rows: Vec<ChunkRow>,
    records: TupleWriter,
    text: String,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({} records)", self.rows.len())
    }
}

impl Chunk {
    fn new(fields: i16) -> Chunk {
        Chunk { fields, rows: Vec::new(), records: TupleWriter::default(), text: String::new() }
    }
}

pub struct ChunkBuilder(Chunk);

impl ChunkBuilder {
    pub fn snapshots() -> ChunkBuilder {
        ChunkBuilder(Chunk::new(staging::FIELDS))
    }

    pub fn applications() -> ChunkBuilder {
        ChunkBuilder(Chunk::new(staged_applications::FIELDS))
    }

    /// Adds a snapshot; `false` when it lacks a required value.
    #[must_use]
    pub fn add(&mut self, record_no: u64, record: &AccountSnapshot<'_>, person: &Person<'_>) -> bool {
        let start = self.0.records.bytes.len();
        if staging::write_account(&mut self.0.records, record_no, record).is_none() {
            return false;
        }
        let primary_holder = record.holder_role == Some(HolderRole::Primary);
        self.push(record_no, start, (record.account_ref.unwrap_or_default(), primary_holder), person);
        true
    }

    /// Adds an application; `false` when it lacks a required value.
    #[must_use]
    pub fn add_application(
        &mut self,
        record_no: u64,
        application: &Application<'_>,
        person: &Person<'_>,
    ) -> bool {
        let start = self.0.records.bytes.len();
        let written = staged_applications::write(&mut self.0.records, record_no, application).is_some();
        if written {
            self.push(record_no, start, ("", false), person);
        }
        written
    }

    /// Adds the row of the record whose own columns begin at `start`.
    fn push(
        &mut self,
        record_no: u64,
        start: usize,
        (account_ref, primary_holder): (&str, bool),
        person: &Person<'_>,
    ) {
        let chunk = &mut self.0;
        let row = ChunkRow {
            record_no,
            record: start..chunk.records.bytes.len(),
            account_ref: append(&mut chunk.text, account_ref),
            primary_holder,
            token: person.token,
            id_type: person.id_type,
            subject_type: person.subject_type,
            number: append(&mut chunk.text, person.number),
            name: append(&mut chunk.text, person.name),
            secondary: person
                .secondary
                .as_ref()
                .map(|(token, id_type, number)| (*token, *id_type, append(&mut chunk.text, number))),
        };
        chunk.rows.push(row);
    }

    pub fn is_full(&self) -> bool {
        self.0.rows.len() >= ROWS
    }

    pub fn take(&mut self) -> Option<Chunk> {
        let empty = Chunk::new(self.0.fields);
        (!self.0.rows.is_empty()).then(|| std::mem::replace(&mut self.0, empty))
    }
}

fn append(text: &mut String, part: &str) -> Range<usize> {
    let start = text.len();
    text.push_str(part);
    start..text.len()
}

/// What the serving store knows about a chunk's persons and accounts.
#[derive(Debug, Default)]
pub struct Known {
    pub subjects: HashMap<Vec<u8>, SubjectId>,
    /// The sealed name of each person who is known.
    pub names: HashMap<SubjectId, Vec<u8>>,
    /// The primary holder of each account that exists.
    pub holders: HashMap<String, SubjectId>,
    /// Identifiers of persons who were erased by law.
    pub erased: HashSet<Vec<u8>>,
}

/// The records that the serving store contradicts.
#[derive(Debug, Default)]
pub struct Contradicted {
    /// The account belongs to another primary holder (I015).
    pub holders: Marks,
    /// The second identifier leads to another subject (I017).
    pub identities: Marks,
    /// The record is about a person who was erased by law (L009).
    pub erased: Marks,
    /// The name contradicts the one that the identifier is known by (I014).
    pub names: Marks,
    /// The same, and the pair of names is under review, or was, already.
    pub reviewed_names: Marks,
}

impl Contradicted {
    pub fn add_all(&mut self, other: &Contradicted) {
        self.holders.add_all(&other.holders);
        self.identities.add_all(&other.identities);
        self.erased.add_all(&other.erased);
        self.names.add_all(&other.names);
        self.reviewed_names.add_all(&other.reviewed_names);
    }
}

impl Chunk {
    pub fn tokens(&self) -> Vec<&[u8]> {
        let mut tokens: Vec<&[u8]> =
            self.rows.iter().flat_map(ChunkRow::tokens).map(Token::as_slice).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    pub fn account_refs(&self) -> Vec<&str> {
        self.rows
            .iter()
            .filter(|row| row.primary_holder)
            .map(|row| &self.text[row.account_ref.clone()])
            .collect()
    }

    /// Encodes the staged tuples, with subjects known or proposed, and says what the store contradicts.
    pub fn staged(
        &self,
        known: &Known,
        names: &SubjectNames,
        keys: &Keyring,
    ) -> Result<(Vec<u8>, Contradicted)> {
        let mut tuple =
            TupleWriter { bytes: Vec::with_capacity(self.records.bytes.len() + self.rows.len() * 200) };
        let mut contradicted = Contradicted::default();
        for row in &self.rows {
            let found = known.subjects.get(row.token.as_slice()).copied();
            let subject = found.unwrap_or_else(|| names.propose(&row.token));
            if row.tokens().any(|token| known.erased.contains(token.as_slice())) {
                contradicted.erased.set(row.record_no);
            }
            let bound = known.holders.get(&self.text[row.account_ref.clone()]);
            if row.primary_holder && bound.is_some_and(|holder| *holder != subject) {
                contradicted.holders.set(row.record_no);
            }
            tuple.tuple(self.fields);
            tuple.uuid(subject.0);
            tuple.bytes.extend_from_slice(&self.records.bytes[row.record.clone()]);
            self.write_person(&mut tuple, row, found.is_none(), subject, keys)?;
            if !self.write_secondary(&mut tuple, row, subject, known, keys)? {
                contradicted.identities.set(row.record_no);
            }
        }
        Ok((tuple.bytes, contradicted))
    }

    fn write_person(
        &self,
        tuple: &mut TupleWriter,
        row: &ChunkRow,
        new: bool,
        subject: SubjectId,
        keys: &Keyring,
    ) -> Result<()> {
        tuple.bytea(Some(row.token.as_slice()));
        tuple.boolean(new);
        tuple.smallint(Some(row.id_type as i16));
        tuple.smallint(Some(row.subject_type as i16));
        if new {
            let number = &self.text[row.number.clone()];
            tuple.bytea(Some(&keys.seal(&number_place(&row.token), number.as_bytes())?));
            let owner = subject.0.as_bytes();
            let name = &self.text[row.name.clone()];
            let place = Aad { table: "subjects", column: "sealed_name", owner };
            tuple.bytea(Some(&keys.seal(&place, name.as_bytes())?));
        } else {
            tuple.null();
            tuple.null();
        }
        Ok(())
    }

    /// A second identifier becomes one more way to the subject. `false` when it already leads to somebody else.
    fn write_secondary(
        &self,
        tuple: &mut TupleWriter,
        row: &ChunkRow,
        subject: SubjectId,
        known: &Known,
        keys: &Keyring,
    ) -> Result<bool> {
        let other = row.secondary.as_ref().and_then(|(token, _, _)| known.subjects.get(token.as_slice()));
        match &row.secondary {
            Some((token, id_type, number)) if other.is_none() => {
                tuple.bytea(Some(token.as_slice()));
                tuple.smallint(Some(*id_type as i16));
                tuple.bytea(Some(&keys.seal(&number_place(token), self.text[number.clone()].as_bytes())?));
            }
            _ => (0..3).for_each(|_| tuple.null()),
        }
        Ok(other.is_none_or(|other| *other == subject))
    }
}

impl Chunk {
    /// Records whose name contradicts the one that their identifier is known by (I014). Opens sealed names: blocking
    /// work, and nothing of a name leaves it but a keyed hash.
    pub fn contradicting_names(&self, known: &Known, keys: &Keyring) -> Result<Vec<Contradiction>> {
        let mut found = Vec::new();
        for row in self.rows.iter().filter(|row| !row.account_ref.is_empty()) {
            let Some(subject) = known.subjects.get(row.token.as_slice()) else { continue };
            let Some(sealed) = known.names.get(subject) else { continue };
            let place = Aad { table: "subjects", column: "sealed_name", owner: subject.0.as_bytes() };
            let pool = keys.open(&place, sealed)?;
            let pool = std::str::from_utf8(&pool).map_err(|_| Error::Inconsistent {
                table: "subjects",
                column: "sealed_name",
                row: subject.to_string(),
            })?;
            let arriving = &self.text[row.name.clone()];
            if pool == arriving {
                continue;
            }
            let (pool, arriving) = (NormalisedName::new(pool), NormalisedName::new(arriving));
            if contradicts(&pool, &arriving) {
                let pair = format!("{subject}\0{}\0{}", pool.canonical(), arriving.canonical());
                found.push(Contradiction {
                    record_no: row.record_no as i64,
                    account_ref: self.text[row.account_ref.clone()].to_owned(),
                    name_pair: keys.mac(MacPurpose::NamePair, pair.as_bytes()).to_vec(),
                });
            }
        }
        Ok(found)
    }
}

/// Where a sealed identifier stands. Its owner is the token: it stays with it when the subject changes.
fn number_place(token: &Token) -> Aad<'_> {
    Aad { table: "subject_identifiers", column: "sealed_number", owner: token.as_slice() }
}

/// Names subjects that are new in this batch. Random to everybody, since the key dies with the attempt, and
/// the same for one token in every chunk, without remembering millions of them.
pub struct SubjectNames(hmac::Key);

impl SubjectNames {
    pub fn new() -> SubjectNames {
        SubjectNames(hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>()))
    }

    fn propose(&self, token: &Token) -> SubjectId {
        let tag = hmac::sign(&self.0, token.as_slice());
        let bytes: [u8; 16] = std::array::from_fn(|i| tag.as_ref()[i]);
        SubjectId(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}
