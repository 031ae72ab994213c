//! Policy rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::L001,
        title_en: "Prohibited content",
        title_ms: "Kandungan terlarang",
        message_en: "A text value speaks of religion, race or health, which a credit report must not hold.",
        message_ms: "Nilai teks menyebut agama, bangsa atau kesihatan, yang tidak boleh ada dalam \
            laporan kredit.",
        remedy_en: "Take the words out of the value; send a plain locator or the buyer's registered name.",
        remedy_ms: "Buang perkataan itu daripada nilai; hantar rujukan lokasi sahaja atau nama \
            berdaftar pembeli.",
        fields: &[Field::SoldTo, Field::EvidenceRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L002,
        title_en: "Below the thresholds of a listing",
        title_ms: "Di bawah ambang penyenaraian",
        message_en: "A listing was asked for, but less than RM150 is overdue or the account is not \
            more than sixty days past due. The record is kept as history only.",
        message_ms: "Penyenaraian dipohon, tetapi kurang daripada RM150 tertunggak atau akaun tidak \
            melebihi enam puluh hari tertunggak. Rekod disimpan sebagai sejarah sahaja.",
        remedy_en: "Ask for a listing once both thresholds are reached.",
        remedy_ms: "Mohon penyenaraian apabila kedua-dua ambang dicapai.",
        fields: &[Field::ListingRequested, Field::Overdue, Field::Dpd],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L003,
        title_en: "Notice not attested",
        title_ms: "Notis tidak diperakui",
        message_en: "The contributor has not attested, or not recently enough, that its customers get \
            the notice of processing.",
        message_ms: "Penyumbang tidak memperakui, atau perakuannya telah tamat, bahawa pelanggannya \
            menerima notis pemprosesan.",
        remedy_en: "Have the attestation renewed with the bureau; then send the batch again.",
        remedy_ms: "Perbaharui perakuan itu dengan biro; kemudian hantar semula kelompok ini.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L004,
        title_en: "Listing without evidence",
        title_ms: "Penyenaraian tanpa bukti",
        message_en: "A listing was asked for without an evidence_ref.",
        message_ms: "Penyenaraian dipohon tanpa evidence_ref.",
        remedy_en: "Say in evidence_ref where the invoice or contract is kept, or do not ask for a listing.",
        remedy_ms: "Nyatakan dalam evidence_ref tempat invois atau kontrak disimpan, atau jangan mohon \
            penyenaraian.",
        fields: &[Field::EvidenceRef, Field::ListingRequested],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L005,
        title_en: "Settled and still listed",
        title_ms: "Selesai tetapi masih disenaraikan",
        message_en: "A listed debt was settled and not delisted within three working days; it was \
            delisted by the bureau.",
        message_ms: "Hutang yang disenaraikan telah selesai tetapi tidak dikeluarkan dalam tiga hari \
            bekerja; biro telah mengeluarkannya.",
        remedy_en: "Report a settlement as soon as it happens, by event or DELTA, and without \
            listing_requested.",
        remedy_ms: "Laporkan penyelesaian sebaik sahaja berlaku, melalui peristiwa atau DELTA, dan \
            tanpa listing_requested.",
        fields: &[Field::ListingRequested, Field::SettledDate, Field::Status],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L006,
        title_en: "Kept beyond retention",
        title_ms: "Melebihi tempoh simpanan",
        message_en: "The account ended longer ago than records of its kind are kept.",
        message_ms: "Akaun tamat lebih lama daripada tempoh simpanan rekod jenis ini.",
        remedy_en: "Take accounts that ended so long ago out of the export, or ask for a back-fill \
            grant for an old book.",
        remedy_ms: "Keluarkan akaun yang tamat selama itu daripada eksport, atau minta kebenaran isian \
            semula bagi senarai akaun lama.",
        fields: &[Field::ClosedDate, Field::Status],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L007,
        title_en: "NRIC inside a reference",
        title_ms: "NRIC dalam rujukan",
        message_en: "The account_ref or evidence_ref contains what reads as an NRIC: twelve digits \
            that begin with a date.",
        message_ms: "account_ref atau evidence_ref mengandungi nombor yang menyerupai NRIC: dua belas \
            angka yang bermula dengan tarikh.",
        remedy_en: "Use references that are made of nothing about the person, and of other than twelve \
            digits in a row.",
        remedy_ms: "Gunakan rujukan yang tidak dibina daripada maklumat orang itu, dan bukan dua belas \
            angka berturut-turut.",
        fields: &[Field::AccountRef, Field::EvidenceRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L008,
        title_en: "Personal data in a text",
        title_ms: "Data peribadi dalam teks",
        message_en: "A free text holds what reads as an e-mail address, a phone number or an identity \
            number.",
        message_ms: "Teks bebas mengandungi apa yang menyerupai alamat e-mel, nombor telefon atau \
            nombor pengenalan.",
        remedy_en: "Send a locator or the buyer's name only; personal data have fields of their own.",
        remedy_ms: "Hantar rujukan lokasi atau nama pembeli sahaja; data peribadi mempunyai medannya \
            sendiri.",
        fields: &[Field::SoldTo, Field::EvidenceRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::L009,
        title_en: "Person erased by law",
        title_ms: "Orang dipadam menurut undang-undang",
        message_en: "The record is about a person whose data were erased by a legal order, and is not \
            taken again.",
        message_ms: "Rekod ini berkenaan orang yang datanya telah dipadam menurut perintah \
            undang-undang, dan tidak diterima semula.",
        remedy_en: "Take the person's accounts out of the export; ask the bureau when the identifier \
            is another person's.",
        remedy_ms: "Keluarkan akaun orang itu daripada eksport; hubungi biro jika nombor pengenalan \
            itu milik orang lain.",
        fields: &[Field::IdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
];
