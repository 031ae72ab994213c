//! The way of a batch. Write transactions about data start here and nowhere else.
//!
//! ```text
//! POST /v1/batches
//!   accept    tx A: batch `receiving`  ─▶ body: count, cap, digest, pack, PUT to bronze/  ─▶ tx B: `received`,
//!             receipt, job, lineage, audit                                               ─▶ 202
//! worker
//!   refine    lease the contributor's lane ─▶ read bronze, check digest ─▶ decompress ─▶ decode ─▶ V, I, X rules
//!             ─▶ tokens ─▶ per chunk: known subjects and accounts ─▶ COPY to staging; rejected records to refined/
//!             ─▶ S rules ─▶ file rules ─▶ verdict
//!   publish   tx C, fenced by the lease: subjects, accounts, counts, findings, lineage, audit, `published`
//! ```
//!
//! Every step can be the last one. What a crash leaves, and who repairs it:
//!
//! | Crash after … | What is left | Who repairs it |
//! |---|---|---|
//! | tx A | a `receiving` row | [`sweep`], once its `receiving_until` has passed; the same key sent again takes over at once then |
//! | PUT | row and object | [`sweep`]: the row becomes `swept`, then its object is deleted; a late tx B finds no `receiving` row and answers 503 |
//! | tx B | a received batch with receipt, job, lineage and audit, together | the next worker |
//! | lease taken | a lane whose lease runs out | the next worker: judging is a pure function of bytes, contract and history |
//! | staging filled | a temporary table that dies with its connection | nobody needs to |
//! | rejects written | an object under a key of this attempt alone | the next attempt writes its own; the leftover costs its space |
//! | tx C | everything | nobody needs to |

pub mod accept;
pub mod aggregates;
pub mod archive;
pub mod corrections;
pub mod curate;
pub mod decode;
pub mod erasure;
pub mod fixes;
pub mod identity_reviews;
pub mod lifecycle;
pub mod lineage;
pub mod listings;
pub mod notices;
pub mod obligations;
pub mod pack;
pub mod parking;
pub mod rebuild;
pub mod recall;
pub mod reconcile;
pub mod refine;
pub mod rehearsals;
pub mod rekeys;
pub mod replay;
pub mod schedules;
pub mod shadows;
pub mod sweep;
pub mod unopened;

pub mod combiner;
pub mod explain;
pub mod footprints;
pub mod gold;
