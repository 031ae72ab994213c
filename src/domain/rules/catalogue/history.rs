//! Cross-period rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::P001,
        title_en: "Immutable field changed",
        title_ms: "Medan tetap berubah",
        message_en: "A field that never changes in the life of an account, such as opened_date or \
            original_amount, differs from what was accepted before.",
        message_ms: "Medan yang tidak pernah berubah sepanjang hayat akaun, seperti opened_date atau \
            original_amount, berbeza daripada yang diterima sebelum ini.",
        remedy_en: "Send the value first reported; if that one was wrong, send a correction with its reason.",
        remedy_ms: "Hantar nilai yang mula-mula dilaporkan; jika nilai itu silap, hantar pembetulan \
            berserta sebabnya.",
        fields: &[
            Field::OpenedDate,
            Field::OriginalAmount,
            Field::Currency,
            Field::PortfolioType,
            Field::ProductType,
        ],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P002,
        title_en: "Subject swapped",
        title_ms: "Subjek ditukar",
        message_en: "The same account, opened on the same day for the same product, now has another \
            primary holder.",
        message_ms: "Akaun yang sama, dibuka pada hari yang sama bagi produk yang sama, kini mempunyai \
            pemegang utama lain.",
        remedy_en: "Send a re-key correction when the first holder was wrong; a debt that was taken \
            over is a new account.",
        remedy_ms: "Hantar pembetulan penukaran subjek jika pemegang pertama silap; hutang yang \
            diambil alih ialah akaun baharu.",
        fields: &[Field::IdNumber, Field::AccountRef],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P003,
        title_en: "Active again after its end",
        title_ms: "Aktif semula selepas tamat",
        message_en: "The account had a terminal status and is reported as ACTIVE again.",
        message_ms: "Akaun telah mempunyai status penamat dan kini dilaporkan sebagai ACTIVE semula.",
        remedy_en: "Keep the terminal status, or send a correction with the reason REOPENED.",
        remedy_ms: "Kekalkan status penamat itu, atau hantar pembetulan dengan sebab REOPENED.",
        fields: &[Field::Status],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P004,
        title_en: "Days past due grew faster than time",
        title_ms: "Hari tertunggak bertambah lebih cepat daripada masa",
        message_en: "The dpd grew by more days than passed since the last report, with two days of \
            tolerance; the batch is held until this is explained.",
        message_ms: "dpd bertambah melebihi bilangan hari sejak laporan terakhir, dengan kelonggaran \
            dua hari; kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Count the dpd from the same due date in every period; confirm the batch with the \
            reason if an earlier report was too low.",
        remedy_ms: "Kira dpd dari tarikh akhir yang sama dalam setiap tempoh; sahkan kelompok berserta \
            sebab jika laporan terdahulu terlalu rendah.",
        fields: &[Field::Dpd, Field::AsOfDate],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P005,
        title_en: "Days past due fell without a payment",
        title_ms: "Hari tertunggak berkurang tanpa bayaran",
        message_en: "The dpd fell, but no payment, refund or restructuring was reported; the batch is \
            held until this is explained.",
        message_ms: "dpd berkurang, tetapi tiada bayaran, bayaran balik atau penstrukturan semula \
            dilaporkan; kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Report in amount_paid_period what was paid; confirm the batch with the reason if \
            the dpd was corrected.",
        remedy_ms: "Laporkan dalam amount_paid_period apa yang dibayar; sahkan kelompok berserta sebab \
            jika dpd itu dibetulkan.",
        fields: &[Field::Dpd, Field::AmountPaidPeriod, Field::Restructured],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P006,
        title_en: "Instalment balance rose",
        title_ms: "Baki ansuran meningkat",
        message_en: "The balance of an INSTALMENT account rose by more than its fees.",
        message_ms: "Baki akaun INSTALMENT meningkat melebihi fi.",
        remedy_en: "State new fees in fees_outstanding; report further lending as an account of its own.",
        remedy_ms: "Nyatakan fi baharu dalam fees_outstanding; laporkan pembiayaan tambahan sebagai \
            akaun berasingan.",
        fields: &[Field::Outstanding, Field::FeesOutstanding],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P007,
        title_en: "Balance fell more than was paid",
        title_ms: "Baki berkurang melebihi bayaran",
        message_en: "The balance fell by more than payments, refunds and write-off together, by over \
            one ringgit.",
        message_ms: "Baki berkurang melebihi jumlah bayaran, bayaran balik dan hapus kira, lebih \
            daripada satu ringgit.",
        remedy_en: "Report everything that was paid since the previous as_of_date in amount_paid_period.",
        remedy_ms: "Laporkan semua bayaran sejak as_of_date sebelumnya dalam amount_paid_period.",
        fields: &[Field::Outstanding, Field::AmountPaidPeriod, Field::WriteOffAmount],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P008,
        title_en: "Balance far above its usual",
        title_ms: "Baki jauh melebihi kebiasaan",
        message_en: "The balance of an OPEN or REVOLVING account is more than ten times its median of \
            the last six months.",
        message_ms: "Baki akaun OPEN atau REVOLVING melebihi sepuluh kali ganda median enam bulan terakhir.",
        remedy_en: "Check the amount and its unit; leave it if it is right.",
        remedy_ms: "Semak amaun dan unitnya; kekalkan jika betul.",
        fields: &[Field::Outstanding],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P009,
        title_en: "Active account left out",
        title_ms: "Akaun aktif tidak disertakan",
        message_en: "An account that was active is not in the FULL batch. It stays as it was last reported.",
        message_ms: "Akaun yang aktif tiada dalam kelompok FULL. Ia kekal seperti laporan terakhir.",
        remedy_en: "Report every account until it is closed; report its closing with its closed_date.",
        remedy_ms: "Laporkan setiap akaun sehingga ditutup; laporkan penutupannya dengan closed_date.",
        fields: &[Field::AccountRef, Field::Status],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P010,
        title_en: "Overdue account frozen",
        title_ms: "Akaun tertunggak tidak bergerak",
        message_en: "An overdue account has shown the same dpd and the same balance for two or more \
            periods; the batch is held until this is explained.",
        message_ms: "Akaun tertunggak menunjukkan dpd dan baki yang sama selama dua tempoh atau lebih; \
            kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Check that the export reads the present state of the account; confirm the batch \
            with the reason if the days truly stand still.",
        remedy_ms: "Pastikan eksport membaca keadaan semasa akaun; sahkan kelompok berserta sebab jika \
            kiraan hari memang dihentikan.",
        fields: &[Field::Dpd, Field::Outstanding],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P011,
        title_en: "Delinquency re-aged",
        title_ms: "Permulaan tunggakan diubah",
        message_en: "The first_delinquency_date moved to a later day although the account was never \
            out of arrears in between.",
        message_ms: "first_delinquency_date berganjak ke hari yang lebih lewat walaupun akaun tidak \
            pernah bebas daripada tunggakan.",
        remedy_en: "Keep the day on which the current delinquency began until everything overdue is paid.",
        remedy_ms: "Kekalkan hari bermulanya tunggakan semasa sehingga semua tunggakan dijelaskan.",
        fields: &[Field::FirstDelinquencyDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P012,
        title_en: "Deleted record sent again",
        title_ms: "Rekod yang dipadam dihantar semula",
        message_en: "The record was deleted by a correction or after a dispute, and is not taken again \
            without the number of the case that allows it.",
        message_ms: "Rekod ini telah dipadam melalui pembetulan atau selepas pertikaian, dan tidak \
            diterima semula tanpa nombor kes yang membenarkannya.",
        remedy_en: "Take the record out of the export; ask the bureau when the deletion itself was wrong.",
        remedy_ms: "Keluarkan rekod itu daripada eksport; hubungi biro jika pemadaman itu sendiri silap.",
        fields: &[Field::AccountRef, Field::AsOfDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P013,
        title_en: "Instalments paid decreased",
        title_ms: "Ansuran dibayar berkurang",
        message_en: "The instalments_paid is lower than before, and no reversal of a payment was reported.",
        message_ms: "instalments_paid lebih rendah daripada sebelum ini, dan tiada pembalikan bayaran \
            dilaporkan.",
        remedy_en: "Send the reversal as a repayment event, or the count of instalments that are truly paid.",
        remedy_ms: "Hantar pembalikan itu sebagai peristiwa bayaran balik, atau bilangan ansuran yang \
            benar-benar telah dibayar.",
        fields: &[Field::InstalmentsPaid],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P014,
        title_en: "Payments and events disagree",
        title_ms: "Bayaran dan peristiwa tidak sepadan",
        message_en: "The amount_paid_period is not the sum of the payment events of the period.",
        message_ms: "amount_paid_period tidak sama dengan jumlah peristiwa bayaran dalam tempoh itu.",
        remedy_en: "Derive both from the same ledger, and send the events that are missing.",
        remedy_ms: "Terbitkan kedua-duanya daripada lejar yang sama, dan hantar peristiwa yang tertinggal.",
        fields: &[Field::AmountPaidPeriod],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P015,
        title_en: "First reported late",
        title_ms: "Lewat dilaporkan kali pertama",
        message_en: "The account is reported for the first time more than two periods after it was opened.",
        message_ms: "Akaun dilaporkan buat kali pertama lebih daripada dua tempoh selepas dibuka.",
        remedy_en: "Report accounts from the period in which they are opened, and check opened_date.",
        remedy_ms: "Laporkan akaun mulai tempoh ia dibuka, dan semak opened_date.",
        fields: &[Field::OpenedDate, Field::AsOfDate],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P016,
        title_en: "Settled by event, still active",
        title_ms: "Selesai melalui peristiwa, masih aktif",
        message_en: "A SETTLEMENT event was accepted for the account, but the snapshot still says ACTIVE.",
        message_ms: "Peristiwa SETTLEMENT telah diterima bagi akaun, tetapi laporannya masih \
            menyatakan ACTIVE.",
        remedy_en: "Report the settled status with its closed_date, or reverse the event if it was wrong.",
        remedy_ms: "Laporkan status selesai dengan closed_date, atau balikkan peristiwa itu jika silap.",
        fields: &[Field::Status, Field::ClosedDate],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::P017,
        title_en: "Older than the last report",
        title_ms: "Lebih lama daripada laporan terakhir",
        message_en: "The as_of_date is earlier than the last one that was accepted for the account.",
        message_ms: "as_of_date lebih awal daripada yang terakhir diterima bagi akaun ini.",
        remedy_en: "Send a correction for an earlier day, replace the period, or ask for a back-fill grant.",
        remedy_ms: "Hantar pembetulan bagi hari yang lebih awal, gantikan tempoh itu, atau minta \
            kebenaran isian semula.",
        fields: &[Field::AsOfDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P018,
        title_en: "Under dispute",
        title_ms: "Dalam pertikaian",
        message_en: "The account is under dispute: the record is stored, and not served until the \
            dispute is closed.",
        message_ms: "Akaun ini dalam pertikaian: rekod disimpan, dan tidak disajikan sehingga \
            pertikaian ditutup.",
        remedy_en: "Answer the dispute; keep reporting the account meanwhile.",
        remedy_ms: "Jawab pertikaian itu; teruskan melaporkan akaun sementara itu.",
        fields: &[Field::AccountRef, Field::ContributorDispute],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::P019,
        title_en: "Write-off amount changed",
        title_ms: "Amaun hapus kira berubah",
        message_en: "The write_off_amount differs from the one that was accepted before.",
        message_ms: "write_off_amount berbeza daripada yang diterima sebelum ini.",
        remedy_en: "Keep the amount that was written off; report what was recovered later as payments.",
        remedy_ms: "Kekalkan amaun yang dihapus kira; laporkan kutipan kemudian sebagai bayaran.",
        fields: &[Field::WriteOffAmount],
        enabled_from: LAUNCH,
        overridable: true,
    },
];
