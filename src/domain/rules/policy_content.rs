//! Policy rules of one row (`domain.md` 6.2): what a credit report must not hold, and what a listing needs.
//!
//! L001 prohibited content · L002 below the thresholds of a listing · L004 a listing without evidence · L005 settled and
//! still to be listed · L006 beyond retention · L007 an NRIC inside a reference · L008 personal data in a text. L003
//! and L009 look at more than a row.
//!
//! Free texts are `sold_to` and `evidence_ref`. A person's name is not searched: honest names contain such words.

use chrono::Months;

use crate::domain::contract::{AccountSnapshot, AccountStatus, Field, IdType};
use crate::domain::finding::Finding;
use crate::domain::identity;
use crate::domain::listings::{LISTABLE_AFTER_DPD, LISTABLE_OVERDUE, delist_by};

use super::{Code, RowContext};

/// Words about religion, race and health, lower case, English and Malay (L001). Two words stand for each other's
/// neighbours. Part of the rule set: a change raises `RULES_VERSION`.
#[rustfmt::skip]
const PROHIBITED: &[&str] = &[
    // Religion.
    "religion", "religious", "muslim", "moslem", "kristian", "buddhist", "hindu", "sikh", "atheist", "murtad", "mualaf",
    // Race.
    "keturunan", "etnik", "ethnic", "ethnicity", "racial", "perkauman", "orang asli",
    // Health.
    "penyakit", "disease", "illness", "cancer", "kanser", "diabetes", "diabetic", "kencing manis", "hiv", "aids",
    "dialysis", "dialisis", "stroke", "strok", "tuberculosis", "hepatitis", "epilepsy", "psychiatric", "psikiatri",
    "depression", "kemurungan", "pregnant", "hamil", "disabled", "kurang upaya",
];

/// The same, but also parts of the names of honest organisations (a bank, a hospital, a chamber of commerce):
/// not searched in the name of a buyer.
#[rustfmt::skip]
const PROHIBITED_OUTSIDE_OF_NAMES: &[&str] = &[
    "agama", "race", "bangsa", "kaum", "islam", "christian", "buddha", "melayu", "malay", "cina", "chinese", "indian",
    "bumiputera", "bumiputra", "hospital", "medical", "perubatan", "pesakit", "kesihatan",
];

/// Runs the policy rules over one row and adds what they find to `findings`.
pub fn check_policy(record: &AccountSnapshot<'_>, context: &RowContext<'_>, findings: &mut Vec<Finding>) {
    findings.extend(l002(record));
    findings.extend(l004(record));
    findings.extend(l005(record, context));
    findings.extend(l006(record, context));
    for (field, text) in [(Field::AccountRef, record.account_ref), (Field::EvidenceRef, record.evidence_ref)]
    {
        findings.extend(text.and_then(|text| l007(field, text)));
    }
    for (field, text) in [(Field::SoldTo, record.sold_to), (Field::EvidenceRef, record.evidence_ref)] {
        findings.extend(text.and_then(|text| l001(field, text)));
        findings.extend(text.and_then(|text| l008(field, text)));
    }
}

/// L001: no text speaks of religion, race or health. Whole words, in any case; the finding does not repeat them.
pub fn l001(field: Field, text: &str) -> Option<Finding> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let among = |terms: &[&str]| {
        let told = |term: &&str| match term.split_once(' ') {
            Some((first, second)) => words.windows(2).any(|pair| pair == [first, second]),
            None => words.contains(term),
        };
        terms.iter().any(told)
    };
    let found = among(PROHIBITED) || (field != Field::SoldTo && among(PROHIBITED_OUTSIDE_OF_NAMES));
    found.then(|| Finding::at(Code::L001, field))
}

/// L002: a listing is asked for where the thresholds are reached. Where they are not, the row counts as history.
pub fn l002(r: &AccountSnapshot<'_>) -> Option<Finding> {
    let below = |overdue, dpd| overdue < LISTABLE_OVERDUE || dpd <= LISTABLE_AFTER_DPD;
    (r.listing_requested? && below(r.overdue?, r.dpd?))
        .then(|| Finding::at(Code::L002, Field::ListingRequested))
}

/// L004: a listing says where its evidence is kept.
pub fn l004(r: &AccountSnapshot<'_>) -> Option<Finding> {
    let missing = r.evidence_ref.is_none() && !r.was_unreadable(Field::EvidenceRef);
    (r.listing_requested? && missing).then(|| Finding::at(Code::L004, Field::EvidenceRef))
}

/// L005: a listing of a settled debt is taken back within three working days. A row that still asks for one was not,
/// if the days between settlement and receipt are over. The listing itself has ended: none stands without an overdue
/// amount. Counted by the working days by which a delisting is in time.
pub fn l005(r: &AccountSnapshot<'_>, c: &RowContext<'_>) -> Option<Finding> {
    let settled_on = r.settled_date.filter(|_| r.listing_requested == Some(true))?;
    let last_day = delist_by(settled_on, c.working_days);
    (last_day < c.today).then(|| Finding::at(Code::L005, Field::ListingRequested))
}

/// L006: an account that ended is kept for a term, counted from its closed_date to the day of receipt. Accounts that
/// go on have no end to count from, however long they have lasted: how far back their rows may reach is F011's. Under a
/// back-fill grant that covers the row's day an old book comes whole, since the grant was given for its age.
pub fn l006(r: &AccountSnapshot<'_>, c: &RowContext<'_>) -> Option<Finding> {
    let ended = r.closed_date.filter(|_| r.status.is_some_and(AccountStatus::is_terminal))?;
    let kept_until = ended.checked_add_months(Months::new(c.terms.retention_months))?;
    let granted = c.terms.backfill_from.is_some_and(|from| r.as_of_date.is_some_and(|as_of| from <= as_of));
    (kept_until < c.today && !granted).then(|| Finding::at(Code::L006, Field::ClosedDate))
}

/// L007: a reference is not made of a person's NRIC. Twelve digits in a row, or grouped as on the card, that are a
/// well-formed NRIC; digits inside a longer run are something else.
pub fn l007(field: Field, text: &str) -> Option<Finding> {
    has_nric(text).then(|| Finding::at(Code::L007, field).with_detail("reads as an NRIC"))
}

/// L008: a free text holds no e-mail address, phone number or identity number. In a reference the last is L007's.
pub fn l008(field: Field, text: &str) -> Option<Finding> {
    let seen = if has_email(text) {
        "reads as an e-mail address"
    } else if has_phone(text) {
        "reads as a phone number"
    } else if field == Field::SoldTo && has_nric(text) {
        "reads as an NRIC"
    } else {
        return None;
    };
    Some(Finding::at(Code::L008, field).with_detail(seen))
}

/// Every row comes through here; most texts have too few digits to go on.
fn has_nric(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.iter().filter(|byte| byte.is_ascii_digit()).count() < 12 {
        return false;
    }
    (0..bytes.len()).any(|start| {
        let begins = start == 0 || !bytes[start - 1].is_ascii_digit();
        begins && nric_length(&bytes[start..]).is_some_and(|length| is_nric(&text[start..start + length]))
    })
}

/// The length of twelve digits at the beginning, plain or grouped 6-2-4 by one kind of separator, if no further
/// digit follows.
fn nric_length(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.get(6)? {
        b'0'..=b'9' => 12,
        separator @ (b'-' | b' ') if bytes.get(9) == Some(separator) => 14,
        _ => return None,
    };
    let is_digit_place = |at: usize| length == 12 || (at != 6 && at != 9);
    let fits = bytes.len() >= length
        && (0..length).all(|at| bytes[at].is_ascii_digit() == is_digit_place(at))
        && bytes.get(length).is_none_or(|next| !next.is_ascii_digit());
    fits.then_some(length)
}

fn is_nric(text: &str) -> bool {
    identity::normalise(IdType::Nric, text).is_ok()
}

/// A name, an at sign, and a domain with a point in it.
fn has_email(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let named = text[..at].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let domain =
            text[at + 1..].split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-')).next();
        let dotted = domain.and_then(|domain| domain.trim_end_matches('.').rsplit_once('.'));
        named && dotted.is_some_and(|(host, top)| !host.is_empty() && top.len() >= 2)
    })
}

/// An international number with its plus sign, or a Malaysian one written as people do: `01x-xxxxxxx`, `0x-xxxxxxxx`.
/// A plain run of digits without sign or hyphen is more often a document's number.
fn has_phone(text: &str) -> bool {
    let bytes = text.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (0..bytes.len()).any(|at| match bytes[at] {
        b'+' => (8..=15).contains(&run(at + 1)),
        b'-' => {
            let area = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let (start, length) = (at - area, run(at + 1));
            // Hyphens on its outside make it a part of a document's number.
            let alone = (start == 0 || !(bytes[start - 1] == b'-' || bytes[start - 1].is_ascii_alphabetic()))
                && bytes.get(at + 1 + length) != Some(&b'-');
            alone && bytes[start] == b'0' && (2..=3).contains(&area) && (7..=8).contains(&length)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{Calendar, CalendarState, Change, ChangeKind, WorkingDays};
    use crate::domain::money::Sen;

    fn codes(record: &AccountSnapshot<'_>) -> Vec<(Code, Option<Field>)> {
        let terms = crate::domain::contract::Terms::default();
        let day = crate::domain::dates::parse_iso("2026-10-31").unwrap();
        let context = RowContext {
            terms: &terms,
            mode: crate::domain::contract::Mode::Delta,
            period_end: day,
            today: day,
            working_days: &WorkingDays::default(),
        };
        let mut findings = Vec::new();
        check_policy(record, &context, &mut findings);
        findings.into_iter().map(|finding| (finding.code, finding.field)).collect()
    }

    #[test]
    fn a_text_does_not_speak_of_religion_race_or_health() {
        for text in
            ["borang/agama.pdf", "Agama: Islam", "CANCER ward invoice", "dms:kurang-upaya-7", "race=malay"]
        {
            assert!(l001(Field::EvidenceRef, text).is_some(), "{text}");
        }
        // Parts of words, neighbours of another pair, and locators.
        for text in ["pentagamaster/2026/1", "traces/9", "kurang 3 upaya", "dms/contracts/2026/000123.pdf"] {
            assert_eq!(l001(Field::EvidenceRef, text), None, "{text}");
        }
        for buyer in ["Bank Islam Malaysia Berhad", "Hospital Services Sdn Bhd", "Malay Mail Berhad"] {
            assert_eq!(l001(Field::SoldTo, buyer), None, "{buyer}");
            assert!(l001(Field::EvidenceRef, buyer).is_some(), "{buyer}");
        }
        assert!(l001(Field::SoldTo, "buyer for hindu debtors").is_some());
        let record =
            AccountSnapshot { full_name: Some("SITI MUSLIM BINTI HINDU"), ..AccountSnapshot::default() };
        assert_eq!(codes(&record), [], "names are not searched");
    }

    #[test]
    fn terms_are_lower_case_words_or_pairs() {
        for term in PROHIBITED.iter().chain(PROHIBITED_OUTSIDE_OF_NAMES) {
            assert!(term.split(' ').count() <= 2 && *term == term.to_lowercase(), "{term}");
            assert!(l001(Field::EvidenceRef, &format!("a {term}, b")).is_some(), "{term}");
        }
    }

    #[test]
    fn a_listing_needs_its_thresholds_and_its_evidence() {
        let listed = AccountSnapshot {
            listing_requested: Some(true),
            evidence_ref: Some("dms/1"),
            overdue: Some(Sen(15_000)),
            dpd: Some(61),
            ..AccountSnapshot::default()
        };
        assert_eq!(codes(&listed), []);
        let l002 = [(Code::L002, Some(Field::ListingRequested))];
        assert_eq!(codes(&AccountSnapshot { overdue: Some(Sen(14_999)), ..listed.clone() }), l002);
        assert_eq!(codes(&AccountSnapshot { dpd: Some(60), ..listed.clone() }), l002);
        let bare = AccountSnapshot { evidence_ref: None, ..listed };
        assert_eq!(codes(&bare), [(Code::L004, Some(Field::EvidenceRef))]);
        assert_eq!(codes(&AccountSnapshot { listing_requested: Some(false), ..bare.clone() }), []);
        let unreadable = crate::domain::contract::FieldSet::EMPTY.with(Field::EvidenceRef);
        assert_eq!(codes(&AccountSnapshot { unreadable, ..bare }), [], "what was sent is not missing");
    }

    #[test]
    fn a_settled_debt_is_not_listed_for_long() {
        let day = |text: &str| crate::domain::dates::parse_iso(text).unwrap();
        let terms = crate::domain::contract::Terms::default();
        let found = |working_days: &WorkingDays, settled: &str, listing_requested, today: &str| {
            let record = AccountSnapshot {
                listing_requested,
                settled_date: Some(day(settled)),
                ..AccountSnapshot::default()
            };
            let (mode, today) = (crate::domain::contract::Mode::Delta, day(today));
            l005(&record, &RowContext { terms: &terms, mode, period_end: today, today, working_days })
                .is_some()
        };
        // Friday; Monday was the day off for Deepavali, so Thursday is the third working day.
        let published = WorkingDays::default();
        assert!(!found(&published, "2026-11-06", Some(true), "2026-11-12"));
        assert!(found(&published, "2026-11-06", Some(true), "2026-11-13"));
        assert!(!found(&published, "2026-11-06", Some(false), "2026-11-30"));
        assert!(!found(&published, "2026-11-06", None, "2026-11-30"));
        let declared = Change {
            day: day("2026-11-12"),
            state: CalendarState::Kul,
            kind: ChangeKind::Holiday,
            name: "SYNTHETIC HOLIDAY".into(),
        };
        let changed = WorkingDays { calendar: Calendar::new(vec![declared]), ..published };
        assert!(
            !found(&changed, "2026-11-06", Some(true), "2026-11-13"),
            "the Thursday was declared a holiday"
        );
        assert!(found(&changed, "2026-11-06", Some(true), "2026-11-14"));
    }

    #[test]
    fn an_ended_account_is_kept_for_its_term() {
        use crate::domain::contract::{Mode, Terms};
        let day = |text| crate::domain::dates::parse_iso(text).unwrap();
        let ended = AccountSnapshot {
            status: Some(AccountStatus::Settled),
            closed_date: Some(day("2019-11-23")),
            as_of_date: Some(day("2026-10-31")),
            ..AccountSnapshot::default()
        };
        let found = |record: &AccountSnapshot<'_>, terms: &Terms| {
            let today = day("2026-11-24");
            l006(
                record,
                &RowContext {
                    terms,
                    mode: Mode::Delta,
                    period_end: today,
                    today,
                    working_days: &WorkingDays::default(),
                },
            )
            .is_some()
        };
        let terms = Terms::default();
        assert!(found(&ended, &terms));
        let on_the_day = AccountSnapshot { closed_date: Some(day("2019-11-24")), ..ended.clone() };
        assert!(!found(&on_the_day, &terms));
        assert!(found(&on_the_day, &Terms { retention_months: 83, ..Terms::default() }));
        let active = AccountSnapshot { status: Some(AccountStatus::Active), ..ended.clone() };
        assert!(!found(&active, &terms), "X004 speaks of its closing date");
        let granted = |from| Terms { backfill_from: Some(day(from)), ..Terms::default() };
        assert!(!found(&ended, &granted("2026-10-31")) && found(&ended, &granted("2026-11-01")));
    }

    #[test]
    fn a_reference_is_not_made_of_an_nric() {
        for text in
            ["900101145678", "L-900101-14-5678", "ref 900101 14 5678 x", "a900101145678b", "1-900101145678"]
        {
            assert!(l007(Field::AccountRef, text).is_some(), "{text}");
        }
        for text in [
            "9001011456789",   // thirteen digits
            "1900101-14-5678", // a longer run, grouped
            "900101-14-56789", // the same at the end
            "901301145678",    // no date
            "900101175678",    // no place
            "900101-145678",   // not as on the card
            "900101-14 5678",  // two kinds of separators
            "HCB-5576844",
            "900101",
            "",
        ] {
            assert_eq!(l007(Field::AccountRef, text), None, "{text}");
        }
    }

    #[test]
    fn a_free_text_holds_no_personal_data() {
        for text in ["a.b@mail.example", "see x@y.my.", "call +60123456789", "012-3456789", "03-12345678 ext"]
        {
            assert!(l008(Field::EvidenceRef, text).is_some(), "{text}");
        }
        for text in [
            "user@host",
            "@handle",
            "dms/2026-000123",
            "2012-3456789",
            "0123456789",
            "inv-01-2345678-9",
            "5+3",
        ] {
            assert_eq!(l008(Field::EvidenceRef, text), None, "{text}");
        }
        assert!(l008(Field::SoldTo, "900101-14-5678").is_some());
        let record = AccountSnapshot { evidence_ref: Some("900101-14-5678"), ..AccountSnapshot::default() };
        assert_eq!(codes(&record), [(Code::L007, Some(Field::EvidenceRef))], "told once");
    }
}
