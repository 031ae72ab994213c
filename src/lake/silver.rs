//! The tables that the pipeline fills: the journals of what was accepted (`silver`), and what was rejected (`quarantine`).

use super::tables::Kind::{Bool, Date, Digest, Id, Instant, Int, Json, List, Long, Text, Word};
use super::tables::{Column, Division, TableSpec, optional, required};
use crate::domain::contract::{
    AccountStatus, ApplicationChannel, Decision, EventType, HolderRole, PaymentChannel, PaymentFrequency,
    PortfolioType, ProductType, SettlementType,
};

/// What every row of a journal begins with.
macro_rules! journal {
    ($($column:expr),+ $(,)?) => {
        &[
            required("batch_id", Id, "the batch that brought the record"),
            required("record_no", Long, "its place in the batch, from 1"),
            required("publication_no", Long, "the publication that made this version: the highest of a record counts"),
            required("known_from", Instant, "since when it is known"),
            required("contract", Text, "dataset and version of the contract that it was read by"),
            required("rules_version", Text, "the rules that judged it"),
            required("contributor_id", Id, "who sent it"),
            $($column),+
        ]
    };
}

const ACCOUNT_SNAPSHOT_COLUMNS: &[Column] = journal![
    required("subject_id", Id, "the person or business: random, means nothing outside"),
    required("account_ref", Text, "the contributor's name of the account"),
    required("holder_role", Word(HolderRole::WORDS), "the subject's part in the account"),
    required("as_of_date", Date, "the day that the record describes"),
    required("withdrawn", Bool, "the record counts no more since this version"),
    required("product_type", Word(ProductType::WORDS), "kind of product"),
    required("portfolio_type", Word(PortfolioType::WORDS), "how it is repaid"),
    required("status", Word(AccountStatus::WORDS), "what the contributor says of the account"),
    required("currency", Text, "ISO 4217"),
    required("opened_date", Date, "when the account was opened"),
    required("status_date", Date, "since when the status holds"),
    required("dpd", Int, "days past due"),
    required("outstanding_sen", Long, "what is owed, in sen"),
    required("overdue_sen", Long, "what of it is overdue, in sen"),
    optional("original_amount_sen", Long, "the amount at the start, in sen"),
    optional("credit_limit_sen", Long, "the limit of a revolving account, in sen"),
    optional("instalment_amount_sen", Long, "one instalment, in sen"),
    optional("next_due_amount_sen", Long, "what is due next, in sen"),
    optional("write_off_amount_sen", Long, "what was written off, in sen"),
    optional("fees_outstanding_sen", Long, "fees and charges owed, in sen"),
    optional("amount_paid_period_sen", Long, "paid in the period, in sen"),
    optional("last_payment_amount_sen", Long, "the last payment, in sen"),
    optional("maturity_date", Date, "when the last instalment is due"),
    optional("closed_date", Date, "when the account was closed"),
    optional("first_delinquency_date", Date, "when the present arrears began"),
    optional("next_due_date", Date, "when something is due next"),
    optional("write_off_date", Date, "when it was written off"),
    optional("settled_date", Date, "when it was settled"),
    optional("last_payment_date", Date, "the day of the last payment"),
    optional("oldest_unpaid_due_date", Date, "the oldest due date that is not paid"),
    optional("instalments_total", Int, "agreed number of instalments"),
    optional("instalments_paid", Int, "instalments paid"),
    optional("instalments_overdue", Int, "instalments overdue"),
    optional("payment_frequency", Word(PaymentFrequency::WORDS), "how often something is due"),
    optional("settlement_type", Word(SettlementType::WORDS), "how it was settled"),
    required("restructured", Bool, "the terms were changed"),
    required("hardship", Bool, "under a hardship arrangement"),
    required("legal_action", Bool, "legal action was taken"),
    required("contributor_dispute", Bool, "the contributor tells of a dispute"),
    required("listing_requested", Bool, "the contributor asked for a listing"),
    optional("evidence_ref", Text, "the contributor's reference of its evidence"),
    optional("imputed", List, "fields whose value is a constant of the contributor's terms and was not sent"),
];

const REPAYMENT_EVENT_COLUMNS: &[Column] = journal![
    required("account_ref", Text, "the contributor's name of the account; the person is the account's"),
    required("event_id", Text, "the contributor's name of the event"),
    required("event_type", Word(EventType::WORDS), "what happened"),
    optional("event_at", Instant, "when it happened"),
    required("value_date", Date, "the day in Malaysia that it counts for"),
    optional("amount_sen", Long, "the amount, in sen"),
    optional("channel", Word(PaymentChannel::WORDS), "how it was paid"),
    optional("instalment_no", Int, "which instalment"),
    optional("instalment_due_date", Date, "when that instalment was due"),
    optional("new_due_date", Date, "the due date that was agreed instead"),
    optional("reverses_event_id", Text, "the event that it takes back"),
];

const APPLICATION_COLUMNS: &[Column] = journal![
    required("subject_id", Id, "the person or business: random, means nothing outside"),
    required("application_ref", Text, "the contributor's name of the application"),
    optional("account_ref", Text, "the account that came of it"),
    required("holder_role", Word(HolderRole::WORDS), "the subject's part in the application"),
    required("product_type", Word(ProductType::WORDS), "kind of product"),
    required("decision", Word(Decision::WORDS), "what was decided; never told to others"),
    optional("channel", Word(ApplicationChannel::WORDS), "where the application was made"),
    required("applied_at", Instant, "when the person applied"),
    optional("decision_at", Instant, "when it was decided"),
    required("amount_requested_sen", Long, "asked for, in sen"),
    optional("amount_approved_sen", Long, "approved, in sen"),
    optional("tenor_days", Int, "agreed time, in days"),
];

const BATCH_COLUMNS: &[Column] = &[
    required("batch_id", Id, "the batch"),
    required("transition_no", Long, "the order of changes: the highest of a batch counts"),
    required("known_from", Instant, "since when it is so"),
    required("contributor_id", Id, "who sent it"),
    required("dataset", Text, "what it contains"),
    required("mode", Text, "how it relates to the contributor's book"),
    required("period_end", Date, "the period that it tells of"),
    required("state", Text, "published: its records count; superseded, recalled: they do not"),
    optional("publication_no", Long, "its place in the order of publications"),
    optional("superseded_by", Id, "the batch that took its place"),
    required("received_at", Instant, "when it was received"),
    required("content_sha256", Digest, "SHA-256 of the bytes received"),
    required("contract", Text, "dataset and version of the contract that it was read by"),
    optional("rules_version", Text, "the rules that judged it"),
];

const REJECTED_RECORD_COLUMNS: &[Column] = &[
    required("batch_id", Id, "the batch that brought the record"),
    required("record_no", Long, "its place in the batch, from 1"),
    required("known_from", Instant, "when it was rejected"),
    required("contract", Text, "dataset and version of the contract that it was read by"),
    optional("rules_version", Text, "the rules that judged it"),
    required("contributor_id", Id, "who sent it"),
    required("dataset", Text, "what it was meant to be"),
    required("period_end", Date, "the period of its batch"),
    optional("account_ref", Text, "the contributor's name of the account, if that was well-formed"),
    required("codes", List, "the rules that it broke"),
    required("fields", List, "the fields that are concerned"),
    required("findings", Json, "each rule with its field, without values"),
];

pub const ACCOUNT_SNAPSHOTS: TableSpec = TableSpec {
    namespace: "silver",
    name: "account_snapshots",
    meaning: "accepted snapshots of accounts, every version of every record",
    columns: ACCOUNT_SNAPSHOT_COLUMNS,
    division: &[Division::Month("as_of_date"), Division::Bucket("subject_id")],
    sorted_by: Some("subject_id"),
    bloom: Some("account_ref"),
};

pub const REPAYMENT_EVENTS: TableSpec = TableSpec {
    namespace: "silver",
    name: "repayment_events",
    meaning: "accepted repayment events",
    columns: REPAYMENT_EVENT_COLUMNS,
    division: &[Division::Month("value_date"), Division::Bucket("account_ref")],
    sorted_by: Some("account_ref"),
    bloom: Some("account_ref"),
};

pub const APPLICATIONS: TableSpec = TableSpec {
    namespace: "silver",
    name: "applications",
    meaning: "accepted words on applications for credit",
    columns: APPLICATION_COLUMNS,
    division: &[Division::Month("applied_at"), Division::Bucket("subject_id")],
    sorted_by: Some("subject_id"),
    bloom: None,
};

pub const BATCHES: TableSpec = TableSpec {
    namespace: "silver",
    name: "batches",
    meaning: "which batches count, and since when",
    columns: BATCH_COLUMNS,
    division: &[],
    sorted_by: None,
    bloom: None,
};

pub const REJECTED_RECORDS: TableSpec = TableSpec {
    namespace: "quarantine",
    name: "rejected_records",
    meaning: "rejected records and the rules that they broke",
    columns: REJECTED_RECORD_COLUMNS,
    division: &[Division::Month("period_end")],
    sorted_by: None,
    bloom: None,
};

/// All of them.
pub const TABLES: &[TableSpec] =
    &[ACCOUNT_SNAPSHOTS, REPAYMENT_EVENTS, APPLICATIONS, BATCHES, REJECTED_RECORDS];
