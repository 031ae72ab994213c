//! Cross-record rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::S001,
        title_en: "Same record twice",
        title_ms: "Rekod yang sama dua kali",
        message_en: "The batch holds the same account, holder and day more than once: equal records count \
            once, contradicting ones are all rejected.",
        message_ms: "Kelompok mengandungi akaun, pemegang dan hari yang sama lebih daripada sekali: rekod \
            yang serupa dikira sekali, yang bercanggah ditolak kesemuanya.",
        remedy_en: "Remove repeated records from the export, and decide which of two contradicting \
            records is right.",
        remedy_ms: "Buang rekod berulang daripada eksport, dan tentukan yang mana betul antara rekod \
            yang bercanggah.",
        fields: &[Field::AccountRef, Field::IdNumber, Field::AsOfDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::S002,
        title_en: "One debt under two references",
        title_ms: "Satu hutang di bawah dua rujukan",
        message_en: "One subject has the same product, opening day and original amount under several \
            references.",
        message_ms: "Seorang subjek mempunyai produk, hari pembukaan dan amaun asal yang sama di bawah \
            beberapa rujukan.",
        remedy_en: "Check whether one debt is reported twice; leave it if there truly are several \
            accounts.",
        remedy_ms: "Semak sama ada satu hutang dilaporkan dua kali; kekalkan jika memang ada beberapa \
            akaun.",
        fields: &[Field::AccountRef, Field::ProductType, Field::OpenedDate, Field::OriginalAmount],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::S003,
        title_en: "Not exactly one primary holder",
        title_ms: "Bukan tepat satu pemegang utama",
        message_en: "The account does not have exactly one PRIMARY record on the day. A primary record \
            that was rejected is missing here.",
        message_ms: "Akaun tidak mempunyai tepat satu rekod PRIMARY pada hari itu. Rekod utama yang telah \
            ditolak dikira tiada.",
        remedy_en: "Mend the rejected records of the account first; then send all its holders together, \
            one of them as PRIMARY.",
        remedy_ms: "Betulkan dahulu rekod akaun yang ditolak; kemudian hantar semua pemegangnya bersama, \
            seorang daripadanya sebagai PRIMARY.",
        fields: &[Field::HolderRole, Field::AccountRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::S004,
        title_en: "Holders disagree on the account",
        title_ms: "Pemegang tidak sepadan tentang akaun",
        message_en: "The records of the account's holders do not agree on the facts of the account.",
        message_ms: "Rekod para pemegang akaun tidak sepadan tentang butiran akaun.",
        remedy_en: "Repeat the same account fields on the record of every holder; only the subject block \
            differs.",
        remedy_ms: "Ulangi medan akaun yang sama pada rekod setiap pemegang; hanya blok subjek yang \
            berbeza.",
        fields: &[Field::AccountRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::S005,
        title_en: "One reference for several products",
        title_ms: "Satu rujukan bagi beberapa produk",
        message_en: "One account_ref appears with different products.",
        message_ms: "Satu account_ref digunakan bagi produk yang berbeza.",
        remedy_en: "Give every account its own reference, and correct the product_type where it changed \
            by mistake.",
        remedy_ms: "Berikan setiap akaun rujukannya sendiri, dan betulkan product_type jika ia berubah \
            secara tidak sengaja.",
        fields: &[Field::ProductType, Field::AccountRef],
        enabled_from: LAUNCH,
        overridable: true,
    },
];
