//! Cross-field rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::{Code, Level};

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::X001,
        title_en: "Not as of the period end",
        message_en: "The as_of_date is not the period_end; in a DELTA it may be earlier, but not later.",
        message_ms: "as_of_date tidak sama dengan period_end; dalam DELTA ia boleh lebih awal, tetapi \
            tidak boleh lebih lewat.",
        remedy_en: "Extract the book as of the last day of the period, or send other days as a DELTA.",
        remedy_ms: "Ekstrak senarai akaun pada hari terakhir tempoh, atau hantar hari lain sebagai \
            DELTA.",
        fields: &[Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X002,
        title_en: "Opened after the as-of date",
        message_en: "The account was opened after the as_of_date.",
        message_ms: "Akaun dibuka selepas as_of_date.",
        remedy_en: "Leave out accounts that did not exist yet, or correct the date.",
        remedy_ms: "Keluarkan akaun yang belum wujud, atau betulkan tarikh tersebut.",
        fields: &[Field::OpenedDate, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X003,
        title_en: "Closed outside the account's life",
        message_en: "The account was closed before it was opened, or after the as_of_date.",
        message_ms: "Akaun ditutup sebelum dibuka, atau selepas as_of_date.",
        remedy_en: "Check closed_date and opened_date; report a later closing in its own period.",
        remedy_ms: "Semak closed_date dan opened_date; laporkan penutupan yang kemudian dalam tempohnya \
            sendiri.",
        fields: &[Field::ClosedDate, Field::OpenedDate, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X004,
        title_en: "Status and closing date disagree",
        message_en: "The status ends the account but closed_date is missing, or the account is ACTIVE and \
            has a closed_date.",
        message_ms: "Status menamatkan akaun tetapi closed_date tiada, atau akaun ACTIVE dan mempunyai \
            closed_date.",
        remedy_en: "Give the closed_date with every status except ACTIVE, and leave it blank for ACTIVE.",
        remedy_ms: "Berikan closed_date bagi setiap status kecuali ACTIVE, dan biarkan kosong bagi \
            ACTIVE.",
        fields: &[Field::ClosedDate, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::X005,
        title_en: "Settled or cancelled with a balance",
        message_en: "The account is SETTLED or CANCELLED but an amount is still outstanding or overdue.",
        message_ms: "Akaun SETTLED atau CANCELLED tetapi masih ada amaun outstanding atau overdue.",
        remedy_en: "Report zero amounts once the account is settled, or the status that it still has.",
        remedy_ms: "Laporkan amaun sifar apabila akaun telah selesai, atau status yang masih \
            disandangnya.",
        fields: &[Field::Outstanding, Field::Overdue, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::X006,
        title_en: "More overdue than outstanding",
        message_en: "The overdue amount is larger than the outstanding amount.",
        message_ms: "Amaun overdue lebih besar daripada amaun outstanding.",
        remedy_en: "Include every amount that is due, fees too, in outstanding.",
        remedy_ms: "Masukkan semua amaun yang perlu dibayar, termasuk fi, dalam outstanding.",
        fields: &[Field::Overdue, Field::Outstanding],
        waits_for: None,
    },
    Rule {
        code: Code::X007,
        title_en: "Overdue amount and days past due disagree",
        message_en: "There are days past due without an overdue amount, or an overdue amount without days \
            past due.",
        message_ms: "Terdapat hari tertunggak tanpa amaun overdue, atau amaun overdue tanpa hari \
            tertunggak.",
        remedy_en: "Derive both from the same unpaid instalments, on the as_of_date; amounts below one \
            ringgit only warn.",
        remedy_ms: "Terbitkan kedua-duanya daripada ansuran tertunggak yang sama, pada as_of_date; amaun \
            bawah satu ringgit hanya diberi amaran.",
        fields: &[Field::Overdue, Field::Dpd],
        waits_for: None,
    },
    Rule {
        code: Code::X008,
        title_en: "Days past due not since the due date",
        message_en: "The dpd is not the number of days from oldest_unpaid_due_date to as_of_date, give or \
            take a day.",
        message_ms: "dpd bukan bilangan hari dari oldest_unpaid_due_date hingga as_of_date, dengan beza \
            satu hari.",
        remedy_en: "Count calendar days from the due date of the oldest unpaid amount, and update the \
            date as payments arrive.",
        remedy_ms: "Kira hari kalendar dari tarikh akhir amaun tertua yang belum dibayar, dan kemas kini \
            tarikh apabila bayaran diterima.",
        fields: &[Field::OldestUnpaidDueDate, Field::Dpd, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X009,
        title_en: "Aging does not add up to outstanding",
        message_en: "The aging buckets do not add up to the outstanding amount.",
        message_ms: "Jumlah golongan pengumuran tidak sama dengan amaun outstanding.",
        remedy_en: "Put every outstanding amount, current ones too, into exactly one bucket.",
        remedy_ms: "Letakkan setiap amaun outstanding, termasuk yang semasa, dalam tepat satu golongan.",
        fields: &[
            Field::Outstanding,
            Field::AgingCurrent,
            Field::Aging130,
            Field::Aging3160,
            Field::Aging6190,
            Field::Aging91120,
            Field::Aging121150,
            Field::Aging151180,
            Field::Aging181Plus,
        ],
        waits_for: None,
    },
    Rule {
        code: Code::X010,
        title_en: "Oldest bucket and days past due disagree",
        message_en: "The oldest aging bucket that holds an amount is not the bucket of the dpd.",
        message_ms: "Golongan pengumuran tertua yang mengandungi amaun bukan golongan bagi dpd.",
        remedy_en: "Age amounts from their own due dates, and take the dpd from the oldest of them.",
        remedy_ms: "Umurkan amaun dari tarikh akhir masing-masing, dan ambil dpd daripada yang tertua.",
        fields: &[
            Field::Dpd,
            Field::AgingCurrent,
            Field::Aging130,
            Field::Aging3160,
            Field::Aging6190,
            Field::Aging91120,
            Field::Aging121150,
            Field::Aging151180,
            Field::Aging181Plus,
        ],
        waits_for: None,
    },
    Rule {
        code: Code::X011,
        title_en: "Aging does not add up to overdue",
        message_en: "The aging buckets from one day on do not add up to the overdue amount.",
        message_ms: "Jumlah golongan pengumuran bermula satu hari tidak sama dengan amaun overdue.",
        remedy_en: "Put amounts that are not due yet into aging_current, and all others into the bucket \
            of their age.",
        remedy_ms: "Letakkan amaun yang belum perlu dibayar dalam aging_current, dan selebihnya dalam \
            golongan mengikut umurnya.",
        fields: &[
            Field::Overdue,
            Field::AgingCurrent,
            Field::Aging130,
            Field::Aging3160,
            Field::Aging6190,
            Field::Aging91120,
            Field::Aging121150,
            Field::Aging151180,
            Field::Aging181Plus,
        ],
        waits_for: None,
    },
    Rule {
        code: Code::X012,
        title_en: "More instalments than there are",
        message_en: "More instalments are paid and overdue than the plan has.",
        message_ms: "Bilangan ansuran yang dibayar dan tertunggak melebihi jumlah ansuran dalam pelan.",
        remedy_en: "Count each instalment once, and update instalments_total when the plan is extended.",
        remedy_ms: "Kira setiap ansuran sekali sahaja, dan kemas kini instalments_total apabila pelan \
            dilanjutkan.",
        fields: &[Field::InstalmentsTotal, Field::InstalmentsPaid, Field::InstalmentsOverdue],
        waits_for: None,
    },
    Rule {
        code: Code::X013,
        title_en: "Amount of the portfolio type missing",
        message_en: "An INSTALMENT account has no original_amount, or a REVOLVING account has no \
            credit_limit.",
        message_ms: "Akaun INSTALMENT tiada original_amount, atau akaun REVOLVING tiada credit_limit.",
        remedy_en: "Send the amount first financed or the limit in force, or correct the portfolio_type.",
        remedy_ms: "Hantar amaun asal pembiayaan atau had yang berkuat kuasa, atau betulkan \
            portfolio_type.",
        fields: &[Field::OriginalAmount, Field::CreditLimit, Field::PortfolioType],
        waits_for: None,
    },
    Rule {
        code: Code::X014,
        title_en: "Owes more than was financed",
        message_en: "An INSTALMENT account owes more than its original amount and its fees together.",
        message_ms: "Akaun INSTALMENT berhutang lebih daripada amaun asal dicampur fi.",
        remedy_en: "State the fees in fees_outstanding, and check that original_amount is the amount \
            first financed.",
        remedy_ms: "Nyatakan fi dalam fees_outstanding, dan semak bahawa original_amount ialah amaun \
            asal pembiayaan.",
        fields: &[Field::Outstanding, Field::OriginalAmount, Field::FeesOutstanding],
        waits_for: None,
    },
    Rule {
        code: Code::X015,
        title_en: "Over the limit",
        message_en: "A REVOLVING account owes more than its credit_limit.",
        message_ms: "Akaun REVOLVING berhutang melebihi credit_limit.",
        remedy_en: "Check that the limit is the one in force on the as_of_date; leave it if the account \
            is truly over its limit.",
        remedy_ms: "Semak bahawa had itu ialah had yang berkuat kuasa pada as_of_date; kekalkan jika \
            akaun memang melebihi had.",
        fields: &[Field::Outstanding, Field::CreditLimit],
        waits_for: None,
    },
    Rule {
        code: Code::X016,
        title_en: "Last payment half stated",
        message_en: "The last payment has a date without an amount, or an amount without a date.",
        message_ms: "Bayaran terakhir mempunyai tarikh tanpa amaun, atau amaun tanpa tarikh.",
        remedy_en: "Send both, or neither where nothing has been paid.",
        remedy_ms: "Hantar kedua-duanya, atau jangan hantar langsung jika belum ada bayaran.",
        fields: &[Field::LastPaymentDate, Field::LastPaymentAmount],
        waits_for: None,
    },
    Rule {
        code: Code::X017,
        title_en: "Paid before opening",
        message_en: "The last payment was made before the account was opened.",
        message_ms: "Bayaran terakhir dibuat sebelum akaun dibuka.",
        remedy_en: "Check both dates; a deposit before opening is not a payment of the account.",
        remedy_ms: "Semak kedua-dua tarikh; deposit sebelum akaun dibuka bukan bayaran bagi akaun itu.",
        fields: &[Field::LastPaymentDate, Field::OpenedDate],
        waits_for: None,
    },
    Rule {
        code: Code::X018,
        title_en: "Payment not in the period",
        message_en: "Something was paid in the period, but last_payment_date lies outside it.",
        message_ms: "Ada bayaran dalam tempoh tersebut, tetapi last_payment_date berada di luar tempoh.",
        remedy_en: "Report in amount_paid_period only what was paid since the previous as_of_date.",
        remedy_ms: "Laporkan dalam amount_paid_period hanya apa yang dibayar sejak as_of_date \
            sebelumnya.",
        fields: &[Field::LastPaymentDate, Field::AmountPaidPeriod, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X019,
        title_en: "Write-off without date or amount",
        message_en: "The account is WRITTEN_OFF, but write_off_date or write_off_amount is missing.",
        message_ms: "Akaun WRITTEN_OFF, tetapi write_off_date atau write_off_amount tiada.",
        remedy_en: "Send both with every written-off account, in every period.",
        remedy_ms: "Hantar kedua-duanya bagi setiap akaun yang dihapus kira, dalam setiap tempoh.",
        fields: &[Field::WriteOffDate, Field::WriteOffAmount, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::X020,
        title_en: "Early write-off",
        message_en: "The account was written off at less than 90 days past due.",
        message_ms: "Akaun dihapus kira ketika kurang daripada 90 hari tertunggak.",
        remedy_en: "Check the status and the dpd; leave them if the early write-off is right, as after a \
            death or fraud.",
        remedy_ms: "Semak status dan dpd; kekalkan jika hapus kira awal itu betul, seperti selepas \
            kematian atau penipuan.",
        fields: &[Field::Dpd, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::X021,
        title_en: "Sale not complete",
        message_en: "The account is SOLD, but its buyer or the day is missing, or the seller still \
            reports a balance.",
        message_ms: "Akaun SOLD, tetapi pembeli atau tarikh jualan tiada, atau penjual masih melaporkan \
            baki.",
        remedy_en: "Send sold_to and sold_date with zero amounts; the buyer reports the debt from then \
            on.",
        remedy_ms: "Hantar sold_to dan sold_date dengan amaun sifar; pembeli melaporkan hutang itu \
            selepasnya.",
        fields: &[Field::SoldTo, Field::SoldDate, Field::Outstanding, Field::Overdue, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::X022,
        title_en: "Delinquency begins too late",
        message_en: "The first_delinquency_date lies after the oldest unpaid due date or after the \
            as_of_date.",
        message_ms: "first_delinquency_date selepas tarikh akhir tertua yang belum dibayar atau selepas \
            as_of_date.",
        remedy_en: "Keep the day on which the current delinquency began; it does not move when a part is \
            paid.",
        remedy_ms: "Kekalkan hari bermulanya tunggakan semasa; ia tidak berubah apabila sebahagian \
            dibayar.",
        fields: &[Field::FirstDelinquencyDate, Field::OldestUnpaidDueDate, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X023,
        title_en: "Delinquency without a beginning",
        message_en: "The account is 30 or more days past due without a first_delinquency_date.",
        message_ms: "Akaun tertunggak 30 hari atau lebih tanpa first_delinquency_date.",
        remedy_en: "Send the day on which the current delinquency began; until then it lowers the \
            completeness score.",
        remedy_ms: "Hantar hari bermulanya tunggakan semasa; sehingga itu skor kelengkapan akan \
            berkurang.",
        fields: &[Field::FirstDelinquencyDate, Field::Dpd],
        waits_for: None,
    },
    Rule {
        code: Code::X024,
        title_en: "Next due date not ahead",
        message_en: "The next_due_date is not after the as_of_date although nothing is past due.",
        message_ms: "next_due_date tidak selepas as_of_date walaupun tiada tunggakan.",
        remedy_en: "Send the first due date after the as_of_date, or leave the field blank when none is \
            left.",
        remedy_ms: "Hantar tarikh akhir pertama selepas as_of_date, atau biarkan kosong jika tiada lagi.",
        fields: &[Field::NextDueDate, Field::AsOfDate, Field::Dpd],
        waits_for: None,
    },
    Rule {
        code: Code::X025,
        title_en: "Instalments do not make the amount",
        message_en: "The instalments together differ from the original_amount by more than one per cent.",
        message_ms: "Jumlah ansuran berbeza daripada original_amount melebihi satu peratus.",
        remedy_en: "Check amount and number of instalments; leave them if charges explain the \
            difference.",
        remedy_ms: "Semak amaun dan bilangan ansuran; kekalkan jika caj menjelaskan perbezaan itu.",
        fields: &[Field::InstalmentAmount, Field::InstalmentsTotal, Field::OriginalAmount],
        waits_for: None,
    },
    Rule {
        code: Code::X026,
        title_en: "Product not licensed",
        message_en: "The product_type is not one that the contributor is licensed to report.",
        message_ms: "product_type ini bukan produk yang penyumbang dilesenkan untuk melaporkan.",
        remedy_en: "Check the product_type, or ask the bureau to add the product to the agreement.",
        remedy_ms: "Semak product_type, atau minta biro menambah produk itu dalam perjanjian.",
        fields: &[Field::ProductType],
        waits_for: None,
    },
    Rule {
        code: Code::X027,
        title_en: "Long buy-now-pay-later plan",
        message_en: "A buy-now-pay-later plan runs for more than 36 months.",
        message_ms: "Pelan beli sekarang bayar kemudian berlangsung lebih daripada 36 bulan.",
        remedy_en: "Check maturity_date and product_type; a long plan is usually a credit sale.",
        remedy_ms: "Semak maturity_date dan product_type; pelan yang panjang biasanya jualan kredit.",
        fields: &[Field::MaturityDate, Field::OpenedDate, Field::ProductType],
        waits_for: None,
    },
    Rule {
        code: Code::X028,
        title_en: "Active with nothing to report",
        message_en: "The account has been ACTIVE with no balance and no limit for more than three \
            periods.",
        message_ms: "Akaun kekal ACTIVE tanpa baki dan tanpa had selama lebih daripada tiga tempoh.",
        remedy_en: "Close accounts that are no longer in use.",
        remedy_ms: "Tutup akaun yang tidak lagi digunakan.",
        fields: &[Field::Status, Field::Outstanding, Field::CreditLimit],
        waits_for: Some(Level::AccountHistory),
    },
    Rule {
        code: Code::X029,
        title_en: "Past maturity and not past due",
        message_en: "The account is past its maturity_date and still owes, but nothing is past due.",
        message_ms: "Akaun telah melepasi maturity_date dan masih berhutang, tetapi tiada tunggakan.",
        remedy_en: "Update the maturity_date when a plan is extended; otherwise count the days past due.",
        remedy_ms: "Kemas kini maturity_date apabila pelan dilanjutkan; jika tidak, kira hari \
            tertunggak.",
        fields: &[Field::MaturityDate, Field::Outstanding, Field::Dpd, Field::AsOfDate],
        waits_for: None,
    },
    Rule {
        code: Code::X030,
        title_en: "Restructured without an event",
        message_en: "The account is restructured, but no RESTRUCTURE event was sent.",
        message_ms: "Akaun distruktur semula, tetapi tiada peristiwa RESTRUCTURE dihantar.",
        remedy_en: "Send the repayment event that records the restructuring.",
        remedy_ms: "Hantar peristiwa bayaran balik yang merekodkan penstrukturan semula itu.",
        fields: &[Field::Restructured],
        waits_for: Some(Level::AccountHistory),
    },
    Rule {
        code: Code::X031,
        title_en: "Status outside the account's life",
        message_en: "The status_date lies after the as_of_date or before the account was opened.",
        message_ms: "status_date selepas as_of_date atau sebelum akaun dibuka.",
        remedy_en: "Send the day on which the present status began, or leave the field blank.",
        remedy_ms: "Hantar hari bermulanya status semasa, atau biarkan medan kosong.",
        fields: &[Field::StatusDate, Field::OpenedDate, Field::AsOfDate],
        waits_for: None,
    },
];
