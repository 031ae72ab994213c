//! Rules of applications: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::A001,
        title_en: "Application sent before with other facts",
        title_ms: "Permohonan pernah dihantar dengan fakta lain",
        message_en: "The application_ref was used before for another person, product or time of application.",
        message_ms: "application_ref telah digunakan bagi orang, produk atau masa permohonan yang lain.",
        remedy_en: "Keep one reference for one application, and never give it to another.",
        remedy_ms: "Gunakan satu rujukan bagi satu permohonan, dan jangan berikannya kepada permohonan lain.",
        fields: &[Field::ApplicationRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::A002,
        title_en: "Decided before applied",
        title_ms: "Diputuskan sebelum dipohon",
        message_en: "The decision_at lies before applied_at.",
        message_ms: "decision_at lebih awal daripada applied_at.",
        remedy_en: "Send both instants with their offset from UTC.",
        remedy_ms: "Hantar kedua-dua masa berserta perbezaannya daripada UTC.",
        fields: &[Field::DecisionAt, Field::AppliedAt],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::A003,
        title_en: "Decision not complete",
        title_ms: "Keputusan tidak lengkap",
        message_en: "An APPROVED application has no amount_approved, or a DECLINED one names an account.",
        message_ms: "Permohonan APPROVED tiada amount_approved, atau permohonan DECLINED menamakan akaun.",
        remedy_en: "Send amount_approved with an approval; leave account_ref blank unless the \
            application was approved.",
        remedy_ms: "Hantar amount_approved bersama kelulusan; biarkan account_ref kosong melainkan \
            permohonan diluluskan.",
        fields: &[Field::AmountApproved, Field::AccountRef, Field::Decision],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::A004,
        title_en: "Decision went back",
        title_ms: "Keputusan berundur",
        message_en: "The decision goes back to an earlier one, as from APPROVED to PENDING.",
        message_ms: "Keputusan berundur kepada yang terdahulu, seperti daripada APPROVED kepada PENDING.",
        remedy_en: "Send a new decision only forward; a new try is a new application.",
        remedy_ms: "Hantar keputusan baharu ke hadapan sahaja; percubaan baharu ialah permohonan baharu.",
        fields: &[Field::Decision, Field::DecisionAt],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::A005,
        title_en: "Approved and never opened",
        title_ms: "Diluluskan tetapi tidak dibuka",
        message_en: "The application was approved, but no account of it was reported within two periods.",
        message_ms: "Permohonan telah diluluskan, tetapi tiada akaunnya dilaporkan dalam dua tempoh.",
        remedy_en: "Report the account, or send the application as WITHDRAWN or EXPIRED.",
        remedy_ms: "Laporkan akaun itu, atau hantar permohonan sebagai WITHDRAWN atau EXPIRED.",
        fields: &[Field::AccountRef, Field::Decision],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::A006,
        title_en: "Many applications of one person",
        title_ms: "Banyak permohonan oleh seorang",
        message_en: "One person stands on more than twenty applications within twenty-four hours; the \
            batch is held until this is explained.",
        message_ms: "Seorang mempunyai lebih daripada dua puluh permohonan dalam dua puluh empat jam; \
            kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Check for retries that were sent as applications of their own; confirm the batch \
            with the reason if the person truly applied so often.",
        remedy_ms: "Semak cubaan semula yang dihantar sebagai permohonan berasingan; sahkan kelompok \
            berserta sebab jika orang itu memang memohon sekerap itu.",
        fields: &[Field::IdNumber, Field::AppliedAt],
        enabled_from: LAUNCH,
        overridable: true,
    },
];
