//! `etrplus contributor …`: the organisations that send data, and what two operators agree for one of them.

use std::io::Write;

use anyhow::Result;
use chrono::{Months, NaiveDate};

use super::registry_access::{OperatorArgs, RegistryAccess};
use crate::access::agreement::{NewConstant, NewOverride};
use crate::access::registry::NewContributor;
use crate::config::Config;
use crate::domain::contract::{Dataset, Field, ProductType, Terms};
use crate::domain::dates;
use crate::domain::rules::{Code, Effect};
use crate::ids::{ConstantId, OverrideId};

/// Manage contributors.
#[derive(Debug, clap::Args)]
pub struct ContributorArgs {
    #[command(subcommand)]
    command: ContributorCommand,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, clap::Subcommand)]
enum ContributorCommand {
    /// Create a contributor; terms that are not named get the bureau's defaults.
    Create(CreateArgs),
    /// Suspend a contributor: it may read what became of its batches and send nothing.
    Suspend { slug: String },
    /// Note until when a contributor has attested that its customers get the notice of processing.
    Attest {
        slug: String,
        /// The last day of the attestation.
        #[arg(long, value_name = "YYYY-MM-DD")]
        until: NaiveDate,
    },
    /// Ask that a rule be milder for a contributor for a while. Nothing holds before another operator approves.
    Override(OverrideArgs),
    /// Agree to an override that another operator asked for, by its id.
    ApproveOverride { override_id: OverrideId },
    /// Ask that a constant stand in for a required field that a contributor does not have. Nothing holds before another
    /// operator approves.
    Constant(ConstantArgs),
    /// Agree to a constant that another operator asked for, by its id.
    ApproveConstant { constant_id: ConstantId },
    /// End an override, by its id.
    RevokeOverride { override_id: OverrideId },
    /// End a constant, by its id.
    RevokeConstant { constant_id: ConstantId },
}

#[derive(Debug, clap::Args)]
struct OverrideArgs {
    slug: String,
    /// The rule, such as X007.
    #[arg(value_parser = parse_code)]
    code: Code,
    /// `warn`: nothing is rejected or held for it. `off`: it says nothing.
    #[arg(long, value_parser = parse_effect)]
    effect: Effect,
    /// The first day of receipt for which it holds. [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// The last one, at most 366 days later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: NaiveDate,
    /// Why; shown to operators, no personal data.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct ConstantArgs {
    slug: String,
    /// The field, such as opened_date.
    #[arg(value_parser = parse_field)]
    field: Field,
    /// Amounts in sen, dates YYYY-MM-DD.
    value: String,
    #[arg(long, value_parser = parse_dataset, default_value = "account_snapshot")]
    dataset: Dataset,
    /// Why; shown to operators, no personal data.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Short name for scripts and object keys; never changes.
    slug: String,
    /// Full name.
    #[arg(long)]
    name: String,
    /// A dataset that it may send; repeat or separate with commas. [default: all]
    #[arg(long = "dataset", value_delimiter = ',', value_parser = parse_dataset)]
    datasets: Vec<Dataset>,
    /// A currency that is accepted; repeat or separate with commas. [default: MYR]
    #[arg(long = "currency", value_delimiter = ',')]
    currencies: Vec<String>,
    /// A product that it is licensed for; repeat or separate with commas. [default: all]
    #[arg(long = "product", value_delimiter = ',', value_parser = parse_product)]
    products: Vec<ProductType>,
    /// Months back that a period may end.
    #[arg(long, value_name = "MONTHS")]
    open_window: Option<u32>,
    /// Back-fill grant: periods that end on or after this date are open as well.
    #[arg(long, value_name = "YYYY-MM-DD")]
    backfill_from: Option<NaiveDate>,
    /// Share of rejected records above which a file is rejected, in percent with at most two decimals.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    reject_threshold_percent: Option<u32>,
    /// Share of records rejected by an identity rule above which a file is rejected, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    identity_threshold_percent: Option<u32>,
    /// The last day for which it has attested that its customers get the notice of processing. [default: a year from
    /// today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    notice_attested_until: Option<NaiveDate>,
    /// Months after its end for which an account is kept.
    #[arg(long, value_name = "MONTHS")]
    retention: Option<u32>,
}

fn parse_dataset(word: &str) -> Result<Dataset, String> {
    Dataset::parse(word).ok_or_else(|| format!("the datasets are {}", Dataset::WORDS.join(", ")))
}

fn parse_product(word: &str) -> Result<ProductType, String> {
    ProductType::parse(word).ok_or_else(|| format!("the products are {}", ProductType::WORDS.join(", ")))
}

fn parse_code(word: &str) -> Result<Code, String> {
    Code::parse(word).ok_or_else(|| "a rule's code, such as X007".to_owned())
}

fn parse_effect(word: &str) -> Result<Effect, String> {
    Effect::parse(word).ok_or_else(|| "an effect is warn or off".to_owned())
}

fn parse_field(word: &str) -> Result<Field, String> {
    Field::from_name(word).ok_or_else(|| "a field of a dataset, such as opened_date".to_owned())
}

/// Reads a percentage as basis points, exactly.
fn parse_percent(text: &str) -> Result<u32, String> {
    let wrong = || "a percentage from 0 to 100 with at most two decimals".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
        return Err(wrong());
    }
    format!("{whole}{decimals:0<2}").parse().ok().filter(|points| *points <= 10_000).ok_or_else(wrong)
}

impl CreateArgs {
    fn into_contributor(self, today: NaiveDate) -> NewContributor {
        let defaults = Terms::default();
        let terms = Terms {
            datasets: if self.datasets.is_empty() { defaults.datasets } else { self.datasets },
            currencies: if self.currencies.is_empty() { defaults.currencies } else { self.currencies },
            products: if self.products.is_empty() { defaults.products } else { Some(self.products) },
            open_window_months: self.open_window.unwrap_or(defaults.open_window_months),
            backfill_from: self.backfill_from.or(defaults.backfill_from),
            reject_threshold_bps: self.reject_threshold_percent.unwrap_or(defaults.reject_threshold_bps),
            identity_threshold_bps: self
                .identity_threshold_percent
                .unwrap_or(defaults.identity_threshold_bps),
            notice_attested_until: self.notice_attested_until.or(today.checked_add_months(Months::new(12))),
            retention_months: self.retention.unwrap_or(defaults.retention_months),
            ..defaults
        };
        NewContributor { slug: self.slug, name: self.name, terms }
    }
}

/// Runs the command; what a person should read goes to `out`.
pub async fn run(args: ContributorArgs, config: &Config, out: &mut impl Write) -> Result<()> {
    let access = RegistryAccess::open(config, &args.operator)?;
    match args.command {
        ContributorCommand::Create(create) => {
            let registry = access.registry();
            let new = create.into_contributor(dates::business_date(registry.clock.now()));
            let id = registry.create_contributor(&new).await?;
            writeln!(out, "Contributor {} created.\ncontributor_id {id}", new.slug)?;
            if let Some(until) = new.terms.notice_attested_until {
                writeln!(out, "The notice to its customers is attested until {until}.")?;
            }
        }
        ContributorCommand::Suspend { slug } => {
            access.registry().suspend_contributor(&slug).await?;
            writeln!(out, "Contributor {slug} is suspended; its next batch is refused within 10 seconds.")?;
        }
        ContributorCommand::Attest { slug, until } => {
            access.registry().attest_notice(&slug, until).await?;
            writeln!(out, "The notice to the customers of {slug} is attested until {until}.")?;
        }
        ContributorCommand::Override(args) => ask_for_override(&access, args, out).await?,
        ContributorCommand::ApproveOverride { override_id } => {
            let agreed = access.agreements(&access.signer()?).approve_override(override_id).await?.agreed;
            let (code, effect) = (agreed.code, agreed.effect.as_str());
            writeln!(out, "{code} is {effect} from {} until {}.", agreed.starts_on, agreed.expires_on)?;
        }
        ContributorCommand::Constant(args) => ask_for_constant(&access, args, out).await?,
        ContributorCommand::ApproveConstant { constant_id } => {
            let agreed = access.agreements(&access.signer()?).approve_constant(constant_id).await?;
            writeln!(out, "{} of {} is imputed.", agreed.field, agreed.dataset)?;
        }
        ContributorCommand::RevokeOverride { override_id } => {
            access.agreements(&access.operator()).revoke_override(override_id).await?;
            writeln!(out, "The override is revoked; nothing is judged under it any more.")?;
        }
        ContributorCommand::RevokeConstant { constant_id } => {
            access.agreements(&access.operator()).revoke_constant(constant_id).await?;
            writeln!(out, "The constant is revoked; the field must be sent.")?;
        }
    }
    Ok(())
}

/// Typed again after a crash, it finds what it asked for.
async fn ask_for_override(access: &RegistryAccess, args: OverrideArgs, out: &mut impl Write) -> Result<()> {
    let new = NewOverride {
        code: args.code,
        effect: args.effect,
        reason: args.reason,
        starts_on: args.from,
        expires_on: args.until,
    };
    let asked = access.agreements(&access.signer()?).request_override(&args.slug, &new).await?;
    let id = asked.agreed.override_id;
    writeln!(out, "{} waits for another operator: approve-override {id}\noverride_id {id}", args.code)?;
    Ok(())
}

async fn ask_for_constant(access: &RegistryAccess, args: ConstantArgs, out: &mut impl Write) -> Result<()> {
    let new =
        NewConstant { dataset: args.dataset, field: args.field, value: args.value, reason: args.reason };
    let asked = access.agreements(&access.signer()?).request_constant(&args.slug, &new).await?;
    let id = asked.constant_id;
    writeln!(out, "{} waits for another operator: approve-constant {id}\nconstant_id {id}", args.field)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_become_basis_points_exactly() {
        let cases =
            [("20", 2000), ("5.0", 500), ("0.25", 25), ("33.3", 3330), ("100", 10_000), ("100.00", 10_000)];
        for (text, points) in cases {
            assert_eq!(parse_percent(text), Ok(points), "{text}");
        }
        for text in ["", "-1", "1.", ".5", "1.234", "100.01", "101", "1e2", "+5", "５"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
