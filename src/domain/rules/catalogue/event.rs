//! Rules of repayment events: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::E001,
        title_en: "Event sent before with other content",
        title_ms: "Peristiwa pernah dihantar dengan kandungan lain",
        message_en: "The event_id was used before for an event with other content. The same event \
            again is only a duplicate.",
        message_ms: "event_id telah digunakan bagi peristiwa dengan kandungan lain. Peristiwa yang \
            sama sekali lagi hanyalah pendua.",
        remedy_en: "Give every event an id of its own; take an event back by a reversal, not by \
            sending it changed.",
        remedy_ms: "Beri setiap peristiwa pengenalan tersendiri; tarik balik peristiwa melalui \
            pembalikan, bukan dengan mengubahnya.",
        fields: &[Field::EventId],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::E002,
        title_en: "Account not known",
        title_ms: "Akaun tidak diketahui",
        message_en: "No account with this account_ref has been accepted. The event is parked for seven \
            days, and rejected if the account does not appear by then.",
        message_ms: "Tiada akaun dengan account_ref ini telah diterima. Peristiwa ditangguhkan selama \
            tujuh hari, dan ditolak jika akaun tidak muncul sehingga itu.",
        remedy_en: "Send the account's snapshot within seven days, or check the account_ref.",
        remedy_ms: "Hantar laporan akaun itu dalam tujuh hari, atau semak account_ref.",
        fields: &[Field::AccountRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::E003,
        title_en: "Event outside the account's life",
        title_ms: "Peristiwa di luar hayat akaun",
        message_en: "The event lies before the account was opened, or in the future.",
        message_ms: "Peristiwa berlaku sebelum akaun dibuka, atau pada masa hadapan.",
        remedy_en: "Check event_at and value_date, the century and the order of day and month.",
        remedy_ms: "Semak event_at dan value_date, abad serta susunan hari dan bulan.",
        fields: &[Field::EventAt, Field::ValueDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::E004,
        title_en: "Amount is zero",
        title_ms: "Amaun sifar",
        message_en: "An event that moves money has an amount of zero.",
        message_ms: "Peristiwa yang menggerakkan wang mempunyai amaun sifar.",
        remedy_en: "Send the amount that moved, or leave the event out.",
        remedy_ms: "Hantar amaun yang bergerak, atau jangan hantar peristiwa itu.",
        fields: &[Field::Amount, Field::EventType],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::E005,
        title_en: "Reversal does not fit",
        title_ms: "Pembalikan tidak sepadan",
        message_en: "The event to be reversed is not known, has been reversed already, or is smaller \
            than the reversal.",
        message_ms: "Peristiwa yang hendak dibalikkan tidak diketahui, telah dibalikkan, atau lebih \
            kecil daripada pembalikan itu.",
        remedy_en: "Name the payment in reverses_event_id, send it before its reversal, and reverse no \
            more than was paid.",
        remedy_ms: "Nyatakan bayaran itu dalam reverses_event_id, hantar bayaran sebelum \
            pembalikannya, dan jangan balikkan lebih daripada yang dibayar.",
        fields: &[Field::ReversesEventId, Field::Amount],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::E006,
        title_en: "Payment after the end",
        title_ms: "Bayaran selepas tamat",
        message_en: "A PAYMENT is dated after the account ended.",
        message_ms: "PAYMENT bertarikh selepas akaun tamat.",
        remedy_en: "Send money that was collected after write-off or sale as a RECOVERY.",
        remedy_ms: "Hantar wang yang dikutip selepas hapus kira atau jualan sebagai RECOVERY.",
        fields: &[Field::EventType, Field::ValueDate],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::E007,
        title_en: "Overpaid",
        title_ms: "Terlebih bayar",
        message_en: "The payment is larger than what the account owed.",
        message_ms: "Bayaran lebih besar daripada hutang akaun.",
        remedy_en: "Check the amount; send what is paid back as a REFUND.",
        remedy_ms: "Semak amaun; hantar apa yang dipulangkan sebagai REFUND.",
        fields: &[Field::Amount],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::E008,
        title_en: "Paid very late",
        title_ms: "Dibayar sangat lewat",
        message_en: "The payment was made more than ninety days after the due date of its instalment.",
        message_ms: "Bayaran dibuat lebih daripada sembilan puluh hari selepas tarikh akhir ansurannya.",
        remedy_en: "Check value_date and instalment_due_date; leave them if the payment was truly so late.",
        remedy_ms: "Semak value_date dan instalment_due_date; kekalkan jika bayaran memang selewat itu.",
        fields: &[Field::ValueDate, Field::InstalmentDueDate],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::E009,
        title_en: "Instalment beyond the plan",
        title_ms: "Ansuran melebihi pelan",
        message_en: "The instalment_no is higher than the number of instalments of the account.",
        message_ms: "instalment_no lebih tinggi daripada bilangan ansuran akaun.",
        remedy_en: "Count instalments from one; send a RESCHEDULE and a new snapshot when the plan is \
            extended.",
        remedy_ms: "Kira ansuran mulai satu; hantar RESCHEDULE dan laporan baharu apabila pelan dilanjutkan.",
        fields: &[Field::InstalmentNo],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::E010,
        title_en: "Cancelled after payments",
        title_ms: "Dibatalkan selepas bayaran",
        message_en: "A CANCELLATION comes after more than one payment.",
        message_ms: "CANCELLATION dihantar selepas lebih daripada satu bayaran.",
        remedy_en: "Send a SETTLEMENT when the debt was paid, or REFUND events for what was paid back.",
        remedy_ms: "Hantar SETTLEMENT jika hutang telah dibayar, atau peristiwa REFUND bagi apa yang \
            dipulangkan.",
        fields: &[Field::EventType],
        enabled_from: LAUNCH,
        overridable: true,
    },
];
