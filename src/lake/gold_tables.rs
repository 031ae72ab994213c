//! The tables that gold is appended to. Every row bears its version; of a key the highest version that landed counts.

use super::tables::Kind::{Bool, Date, Id, Instant, Long, Text};
use super::tables::{Column, Division, TableSpec, optional, required};

/// What every row of gold begins with.
macro_rules! versioned {
    ($($column:expr),+ $(,)?) => {
        &[
            required("gold_version", Long, "the version that the row belongs to; gold_versions in Postgres tells of it"),
            required("as_of", Date, "nothing of later days is in it"),
            required("known_at", Instant, "nothing that was known later is in it"),
            $($column),+
        ]
    };
}

/// Attributes of a profile, null where it has none.
const fn attribute(name: &'static str) -> Column {
    optional(name, Long, "the attribute of this name in a profile")
}

const SUBJECT_ATTRIBUTE_COLUMNS: &[Column] = versioned![
    required("subject_id", Id, "the person or business: random, means nothing outside"),
    required("hit_status", Text, "HIT, NO_HIT, THIN or PARTIAL, as a profile would say"),
    attribute("active_account_count"),
    attribute("active_bnpl_plan_count"),
    attribute("active_contributor_count"),
    attribute("total_outstanding"),
    attribute("bnpl_outstanding"),
    attribute("total_overdue"),
    attribute("total_limit"),
    attribute("utilisation_bps"),
    attribute("monthly_obligation"),
    attribute("due_next_14d"),
    attribute("due_next_30d"),
    attribute("current_worst_dpd"),
    attribute("worst_dpd_3m"),
    attribute("worst_dpd_6m"),
    attribute("worst_dpd_12m"),
    attribute("worst_dpd_24m"),
    attribute("cnt_30p_12m"),
    attribute("cnt_60p_12m"),
    attribute("cnt_90p_12m"),
    attribute("first_payment_default_12m"),
    attribute("months_since_last_dpd1"),
    attribute("months_since_last_dpd30"),
    attribute("overdue_trend_3m"),
    attribute("dpd_trend_3m"),
    attribute("on_time_ratio_12m"),
    attribute("on_time_ratio_12m_num"),
    attribute("on_time_ratio_12m_den"),
    attribute("months_no_arrears_12m"),
    attribute("months_no_arrears_12m_den"),
    attribute("telco_util_on_time_12m"),
    attribute("rental_on_time_12m"),
    attribute("applications_7d"),
    attribute("applications_30d"),
    attribute("applications_90d"),
    attribute("applied_contributors_30d"),
    attribute("opened_30d"),
    attribute("opened_90d"),
    attribute("opened_180d"),
    attribute("originated_amount_30d"),
    attribute("max_concurrent_bnpl_90d"),
    attribute("stacking_contributors_now"),
    attribute("same_day_opens_30d"),
    attribute("write_off_count_24m"),
    attribute("write_off_amount_24m"),
    attribute("settled_count_12m"),
    attribute("settled_short_24m"),
    attribute("restructured_open"),
    attribute("hardship_open"),
    attribute("legal_action_open"),
    attribute("listing_count"),
    attribute("listing_amount"),
    attribute("oldest_account_months"),
    attribute("newest_account_days"),
    attribute("history_months"),
    attribute("contributors_seen"),
    optional("thin_file", Bool, "the attribute of this name in a profile"),
    attribute("disputed_account_count"),
    attribute("hidden_item_count"),
    optional("newest_as_of", Date, "the latest report among the accounts"),
    optional("oldest_as_of", Date, "the report of the open account that was reported longest ago"),
    required("stale_accounts", Long, "open accounts without a report for more than 45 days"),
];

const PORTFOLIO_MONTHLY_COLUMNS: &[Column] = versioned![
    required("month", Date, "the first day of the month"),
    required("product_type", Text, "kind of product"),
    required("contributor_id", Id, "whose accounts they are"),
    required("subjects", Long, "people behind the row: fewer than ten are shown to nobody"),
    required("accounts", Long, "accounts that were open at the end of the month"),
    required("outstanding_sen", Long, "what they owed, in sen"),
    required("overdue_sen", Long, "what of it was overdue, in sen"),
    required("current_accounts", Long, "not late"),
    required("dpd_1_29_accounts", Long, "1 to 29 days late"),
    required("dpd_30_59_accounts", Long, "30 to 59 days late"),
    required("dpd_60_89_accounts", Long, "60 to 89 days late"),
    required("dpd_90_plus_accounts", Long, "90 days late or more"),
    required("written_off_accounts", Long, "written off, something still owed"),
    required("current_sen", Long, "owed by accounts that were not late, in sen"),
    required("dpd_1_29_sen", Long, "owed by accounts 1 to 29 days late, in sen"),
    required("dpd_30_59_sen", Long, "owed by accounts 30 to 59 days late, in sen"),
    required("dpd_60_89_sen", Long, "owed by accounts 60 to 89 days late, in sen"),
    required("dpd_90_plus_sen", Long, "owed by accounts 90 days late or more, in sen"),
    required("written_off_sen", Long, "owed by accounts that were written off, in sen"),
];

const PORTFOLIO_ROLLS_COLUMNS: &[Column] = versioned![
    required("month", Date, "the first day of the month that they went to"),
    required("product_type", Text, "kind of product"),
    required("contributor_id", Id, "whose accounts they are"),
    required(
        "from_bucket",
        Text,
        "CURRENT, DPD_1_29, DPD_30_59, DPD_60_89, DPD_90_PLUS or WRITTEN_OFF, the month before"
    ),
    required("to_bucket", Text, "the same in the month, or ENDED"),
    required("subjects", Long, "people behind the row: fewer than ten are shown to nobody"),
    required("accounts", Long, "accounts that went this way"),
    required("outstanding_sen", Long, "what they owed the month before, in sen"),
];

const PORTFOLIO_VINTAGES_COLUMNS: &[Column] = versioned![
    required("opened_month", Date, "the first day of the month in which the accounts were opened"),
    required("months_on_book", Long, "calendar months since then, 0 to 60"),
    required("product_type", Text, "kind of product"),
    required("contributor_id", Id, "whose accounts they are"),
    required("subjects", Long, "people behind the vintage: fewer than ten are shown to nobody"),
    required("accounts", Long, "accounts of the vintage"),
    required("ever_30_plus_accounts", Long, "of them ever 30 days late or more, or written off, by then"),
    required("ever_90_plus_accounts", Long, "of them ever 90 days late or more, or written off, by then"),
];

pub const SUBJECT_ATTRIBUTES: TableSpec = TableSpec {
    namespace: "gold",
    name: "subject_attributes",
    meaning: "the attributes of every person as of a day, as known at an instant",
    columns: SUBJECT_ATTRIBUTE_COLUMNS,
    division: &[Division::Month("as_of"), Division::Bucket("subject_id")],
    sorted_by: Some("subject_id"),
    bloom: None,
};

const fn portfolio(name: &'static str, meaning: &'static str, columns: &'static [Column]) -> TableSpec {
    let division = &[Division::Month("as_of")];
    TableSpec { namespace: "gold", name, meaning, columns, division, sorted_by: None, bloom: None }
}

pub const PORTFOLIO_MONTHLY: TableSpec = portfolio(
    "portfolio_monthly",
    "what was open at the end of each month, by product and contributor",
    PORTFOLIO_MONTHLY_COLUMNS,
);

pub const PORTFOLIO_ROLLS: TableSpec = portfolio(
    "portfolio_rolls",
    "where accounts went from one month to the next, by product and contributor",
    PORTFOLIO_ROLLS_COLUMNS,
);

pub const PORTFOLIO_VINTAGES: TableSpec = portfolio(
    "portfolio_vintages",
    "how many accounts of each opening month were ever late, by months on book, product and contributor",
    PORTFOLIO_VINTAGES_COLUMNS,
);

/// All of them.
pub const GOLD_TABLES: [&TableSpec; 4] =
    [&SUBJECT_ATTRIBUTES, &PORTFOLIO_MONTHLY, &PORTFOLIO_ROLLS, &PORTFOLIO_VINTAGES];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::catalogue::ATTRIBUTES;

    #[test]
    fn every_attribute_of_a_profile_has_a_column_of_its_name() {
        let columns: Vec<_> = SUBJECT_ATTRIBUTES.columns.iter().map(|column| column.name).collect();
        let names: Vec<_> = ATTRIBUTES.iter().map(|definition| definition.name).collect();
        assert_eq!(columns[5..5 + names.len()], names, "in the order of the catalogue");
    }

    #[test]
    fn what_is_told_beyond_the_key_is_a_number_that_can_be_added_up() {
        for table in [PORTFOLIO_MONTHLY, PORTFOLIO_ROLLS, PORTFOLIO_VINTAGES] {
            let measures = table.columns.iter().skip_while(|column| column.name != "subjects");
            assert!(measures.clone().count() > 2 && measures.clone().all(|column| column.kind == Long));
        }
    }
}
