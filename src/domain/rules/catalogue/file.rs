//! File and envelope rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::F001,
        title_en: "Sender not admitted",
        title_ms: "Penghantar tidak diterima",
        message_en: "The contributor is not active, or its agreement or this credential does not cover \
            the dataset.",
        message_ms: "Penyumbang tidak aktif, atau perjanjian atau kelayakan akses ini tidak meliputi set \
            data tersebut.",
        remedy_en: "Ask the bureau to check the contributor's status, the datasets of its agreement and \
            the scopes of the credential; then send the batch again.",
        remedy_ms: "Minta biro menyemak status penyumbang, set data dalam perjanjian dan skop kelayakan \
            akses; kemudian hantar semula kelompok ini.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F002,
        title_en: "Contract version not open",
        title_ms: "Versi kontrak tidak dibuka",
        message_en: "The schema_version is unknown or has been retired.",
        message_ms: "schema_version tidak dikenali atau telah ditamatkan.",
        remedy_en: "Use a contract version that is listed as open for the dataset.",
        remedy_ms: "Gunakan versi kontrak yang disenaraikan sebagai terbuka bagi set data ini.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F003,
        title_en: "Digest or length differs",
        title_ms: "Nilai cincang atau panjang berbeza",
        message_en: "The digest or the length of the bytes that arrived is not the one that was declared.",
        message_ms: "Nilai cincang atau panjang bait yang diterima tidak sama dengan yang diisytiharkan.",
        remedy_en: "Compute both over the bytes exactly as they are sent, after compression, and send \
            the file again.",
        remedy_ms: "Kira kedua-duanya daripada bait seperti yang dihantar, selepas pemampatan, dan \
            hantar semula fail.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F004,
        title_en: "Bytes not readable",
        title_ms: "Bait tidak dapat dibaca",
        message_en: "The file cannot be read: it is not UTF-8, contains NUL bytes, is badly compressed, \
            expands too far, or is not what its format says.",
        message_ms: "Fail tidak dapat dibaca: bukan UTF-8, mengandungi bait NUL, pemampatannya rosak, \
            mengembang melebihi had, atau tidak mengikut formatnya.",
        remedy_en: "Export the file as UTF-8 in the declared format, compress it with gzip or zstd or \
            not at all, and test that it can be opened before sending it.",
        remedy_ms: "Eksport fail sebagai UTF-8 dalam format yang diisytiharkan, mampatkan dengan gzip \
            atau zstd atau jangan mampatkan langsung, dan pastikan ia boleh dibuka sebelum \
            dihantar.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F005,
        title_en: "Unknown or duplicate column",
        title_ms: "Lajur tidak dikenali atau berulang",
        message_en: "The file has a column that the contract does not know, or the same column more than \
            once. Unknown columns are named by position.",
        message_ms: "Fail mempunyai lajur yang tidak dikenali oleh kontrak, atau lajur yang sama lebih \
            daripada sekali. Lajur tidak dikenali dinyatakan mengikut kedudukan.",
        remedy_en: "Remove or rename the column, make sure that a header line is present, or have a \
            mapping registered for your native file.",
        remedy_ms: "Buang atau namakan semula lajur itu, pastikan baris pengepala ada, atau daftarkan \
            pemetaan bagi fail asal anda.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F006,
        title_en: "Required column missing",
        title_ms: "Lajur wajib tiada",
        message_en: "A column that the contract requires is not in the file.",
        message_ms: "Lajur yang diwajibkan oleh kontrak tiada dalam fail.",
        remedy_en: "Add the column, or have the mapping supply it where every record has the same value.",
        remedy_ms: "Tambah lajur itu, atau biarkan pemetaan membekalkannya jika semua rekod mempunyai \
            nilai yang sama.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F007,
        title_en: "No records",
        title_ms: "Tiada rekod",
        message_en: "The file has no records and is not declared as a nil return.",
        message_ms: "Fail tidak mempunyai rekod dan tidak diisytiharkan sebagai penyata kosong.",
        remedy_en: "Check the export; if there is truly nothing to report, declare nil_return.",
        remedy_ms: "Semak eksport anda; jika memang tiada apa-apa untuk dilaporkan, isytiharkan \
            nil_return.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F008,
        title_en: "Record count differs",
        title_ms: "Bilangan rekod berbeza",
        message_en: "The number of records in the file is not the declared record_count.",
        message_ms: "Bilangan rekod dalam fail tidak sama dengan record_count yang diisytiharkan.",
        remedy_en: "Check that the file is whole and that the count excludes the header line; then send \
            it again.",
        remedy_ms: "Pastikan fail lengkap dan kiraan tidak termasuk baris pengepala; kemudian hantar \
            semula.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F009,
        title_en: "Control total differs",
        title_ms: "Jumlah kawalan berbeza",
        message_en: "A declared control total is not what the records add up to, or amounts appear both \
            with and without decimals so that their unit is not certain.",
        message_ms: "Jumlah kawalan yang diisytiharkan tidak sama dengan hasil tambah rekod, atau amaun \
            ditulis dengan dan tanpa perpuluhan sehingga unitnya tidak pasti.",
        remedy_en: "Compute the totals from the file itself, in sen, over every record; write amounts in \
            one form and declare the money unit.",
        remedy_ms: "Kira jumlah daripada fail itu sendiri, dalam sen, bagi setiap rekod; tulis amaun \
            dalam satu bentuk dan isytiharkan unit wang.",
        fields: &[Field::Outstanding, Field::Overdue, Field::Status],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F010,
        title_en: "Period end not usable",
        title_ms: "period_end tidak boleh digunakan",
        message_en: "The period_end is not a calendar date or lies in the future.",
        message_ms: "period_end bukan tarikh kalendar yang sah atau berada pada masa hadapan.",
        remedy_en: "Give the last day of the reporting period as YYYY-MM-DD, in Malaysian time, and send \
            the batch once the period has ended.",
        remedy_ms: "Berikan hari terakhir tempoh pelaporan sebagai YYYY-MM-DD, mengikut waktu Malaysia, \
            dan hantar kelompok selepas tempoh itu tamat.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F011,
        title_en: "Period closed",
        title_ms: "Tempoh telah ditutup",
        message_en: "The period ended before the window that is open for submission.",
        message_ms: "Tempoh tersebut berakhir sebelum tetingkap penghantaran yang masih dibuka.",
        remedy_en: "Correct old periods through a correction, or ask the bureau for a back-fill grant.",
        remedy_ms: "Betulkan tempoh lama melalui pembetulan, atau minta kebenaran isian semula daripada \
            biro.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F012,
        title_en: "Idempotency key reused",
        title_ms: "Idempotency-Key digunakan semula",
        message_en: "The Idempotency-Key was already used for other content.",
        message_ms: "Idempotency-Key ini telah digunakan untuk kandungan lain.",
        remedy_en: "Use a new key for new content; repeat a key only to repeat the same request.",
        remedy_ms: "Gunakan kunci baharu untuk kandungan baharu; ulangi kunci hanya untuk mengulangi \
            permintaan yang sama.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F013,
        title_en: "Gap in the DELTA sequence",
        title_ms: "Jurang dalam urutan DELTA",
        message_en: "The sequence_no does not follow that of the last DELTA of the dataset, so a file \
            between them has not arrived.",
        message_ms: "sequence_no tidak menyusuli DELTA terakhir bagi set data ini, maka fail di \
            antaranya belum diterima.",
        remedy_en: "Send the missing DELTA first, then this one again. Where nothing is missing, \
            number the files without gaps.",
        remedy_ms: "Hantar DELTA yang tertinggal dahulu, kemudian hantar semula yang ini. Jika tiada \
            yang tertinggal, nomborkan fail tanpa jurang.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F014,
        title_en: "Period already reported in full",
        title_ms: "Tempoh telah dilaporkan sepenuhnya",
        message_en: "The period already has a FULL batch that was published, and this FULL batch does \
            not say that it replaces it.",
        message_ms: "Tempoh ini sudah mempunyai kelompok FULL yang diterbitkan, dan kelompok FULL ini \
            tidak menyatakan bahawa ia menggantikannya.",
        remedy_en: "Send the whole book as REPLACE and name the earlier batch in replaces, or send \
            only what changed as a DELTA.",
        remedy_ms: "Hantar keseluruhan senarai akaun sebagai REPLACE dan nyatakan kelompok terdahulu \
            dalam replaces, atau hantar perubahan sahaja sebagai DELTA.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F015,
        title_en: "Another batch under way",
        title_ms: "Kelompok lain sedang diproses",
        message_en: "Another FULL or REPLACE batch of the same dataset and period has not come to an end \
            yet.",
        message_ms: "Satu lagi kelompok FULL atau REPLACE bagi set data dan tempoh yang sama masih belum \
            selesai.",
        remedy_en: "Wait for the earlier batch to finish or cancel it; then send this one again.",
        remedy_ms: "Tunggu kelompok terdahulu selesai atau batalkannya; kemudian hantar semula kelompok \
            ini.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F016,
        title_en: "Too large",
        title_ms: "Terlalu besar",
        message_en: "The file, its number of records or one of its lines is larger than the documented \
            limit.",
        message_ms: "Fail, bilangan rekod atau salah satu barisnya melebihi had yang didokumenkan.",
        remedy_en: "Split the file into several DELTA batches, and check for a missing line end where a \
            single line is too long.",
        remedy_ms: "Pecahkan fail kepada beberapa kelompok DELTA, dan semak penamat baris yang hilang \
            jika satu baris terlalu panjang.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F017,
        title_en: "Environments mixed",
        title_ms: "Persekitaran bercampur",
        message_en: "The declared environment is not the one that the credential belongs to.",
        message_ms: "Persekitaran yang diisytiharkan bukan persekitaran bagi kelayakan akses ini.",
        remedy_en: "Send test data with a test credential and production data with a production \
            credential.",
        remedy_ms: "Hantar data ujian dengan kelayakan ujian dan data sebenar dengan kelayakan \
            pengeluaran.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F018,
        title_en: "Too many records rejected",
        title_ms: "Terlalu banyak rekod ditolak",
        message_en: "A larger share of the records was rejected than the contributor's threshold allows, \
            so the whole file is rejected.",
        message_ms: "Kadar rekod yang ditolak melebihi ambang penyumbang, maka keseluruhan fail ditolak.",
        remedy_en: "Start with the rule that rejected the most records; mend the cause in the export and \
            send the file again.",
        remedy_ms: "Mulakan dengan peraturan yang paling banyak menolak rekod; betulkan puncanya dalam \
            eksport dan hantar semula fail.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F019,
        title_en: "Too many identities rejected",
        title_ms: "Terlalu banyak pengenalan ditolak",
        message_en: "A larger share of the records was rejected for their identifiers than the \
            contributor's threshold allows, so the whole file is rejected.",
        message_ms: "Kadar rekod yang ditolak kerana nombor pengenalan melebihi ambang penyumbang, maka \
            keseluruhan fail ditolak.",
        remedy_en: "Check that the identity columns are mapped correctly and keep their leading zeros; \
            then send the file again.",
        remedy_ms: "Semak bahawa lajur pengenalan dipetakan dengan betul dan sifar di hadapan \
            dikekalkan; kemudian hantar semula fail.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::F020,
        title_en: "Record count jumped",
        title_ms: "Bilangan rekod berubah mendadak",
        message_en: "The number of records differs from the last FULL batch by more than twenty per \
            cent; the batch is held until this is explained.",
        message_ms: "Bilangan rekod berbeza daripada kelompok FULL terakhir melebihi dua puluh \
            peratus; kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Check that the export is whole and covers one book once; confirm the batch with \
            the reason if the change is real.",
        remedy_ms: "Pastikan eksport lengkap dan meliputi satu senarai akaun sekali sahaja; sahkan \
            kelompok berserta sebab jika perubahan itu benar.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F021,
        title_en: "Total outstanding jumped",
        title_ms: "Jumlah outstanding berubah mendadak",
        message_en: "The total of outstanding differs from the last FULL batch by more than thirty per \
            cent; the batch is held until this is explained.",
        message_ms: "Jumlah outstanding berbeza daripada kelompok FULL terakhir melebihi tiga puluh \
            peratus; kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Check the unit of amounts and that every account is there once; confirm the batch \
            with the reason if the change is real.",
        remedy_ms: "Semak unit amaun dan pastikan setiap akaun terdapat sekali sahaja; sahkan kelompok \
            berserta sebab jika perubahan itu benar.",
        fields: &[Field::Outstanding],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F022,
        title_en: "Active accounts missing",
        title_ms: "Akaun aktif tiada",
        message_en: "More than one per cent of the accounts that were active are missing from the FULL \
            batch, which is held until this is explained.",
        message_ms: "Lebih daripada satu peratus akaun yang aktif tiada dalam kelompok FULL, yang \
            ditahan sehingga dijelaskan.",
        remedy_en: "Report every account until it is closed, and its closing once; confirm the batch \
            with the reason if the accounts truly left the book.",
        remedy_ms: "Laporkan setiap akaun sehingga ditutup, dan penutupannya sekali; sahkan kelompok \
            berserta sebab jika akaun itu memang telah keluar daripada senarai.",
        fields: &[Field::AccountRef, Field::Status],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F023,
        title_en: "Share of late accounts jumped",
        title_ms: "Kadar akaun tertunggak berubah mendadak",
        message_en: "The share of accounts thirty or more days past due moved by more than ten \
            percentage points since the last FULL batch, and the batch is held until this is \
            explained.",
        message_ms: "Kadar akaun yang tertunggak tiga puluh hari atau lebih berubah melebihi sepuluh \
            mata peratusan sejak kelompok FULL terakhir, dan kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Check how dpd was computed; confirm the batch with the reason if the change is real.",
        remedy_ms: "Semak cara dpd dikira; sahkan kelompok berserta sebab jika perubahan itu benar.",
        fields: &[Field::Dpd],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F024,
        title_en: "One value fills a column",
        title_ms: "Satu nilai memenuhi satu lajur",
        message_en: "One value stands on more than twenty per cent of the records in date_of_birth, \
            phone or an amount where values should differ.",
        message_ms: "Satu nilai terdapat pada lebih daripada dua puluh peratus rekod dalam \
            date_of_birth, phone atau amaun yang sepatutnya berbeza.",
        remedy_en: "Check for a default value in the export; leave the field blank where the value is \
            not known.",
        remedy_ms: "Semak nilai lalai dalam eksport; biarkan medan kosong jika nilainya tidak diketahui.",
        fields: &[Field::DateOfBirth, Field::Phone, Field::OriginalAmount],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F025,
        title_en: "Late",
        title_ms: "Lewat",
        message_en: "The batch for the period arrived after its due date, or has not arrived although \
            the date has passed.",
        message_ms: "Kelompok bagi tempoh itu diterima selepas tarikh akhirnya, atau belum diterima \
            walaupun tarikh itu telah berlalu.",
        remedy_en: "Send the batch now; the obligations show the next due dates in Malaysian working days.",
        remedy_ms: "Hantar kelompok itu sekarang; senarai obligasi menunjukkan tarikh akhir seterusnya \
            dalam hari bekerja Malaysia.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F026,
        title_en: "Period skipped",
        title_ms: "Tempoh dilangkau",
        message_en: "One or more periods lie between this FULL batch and the last one without a FULL \
            batch of their own; the batch is held until this is explained.",
        message_ms: "Terdapat satu atau lebih tempoh antara kelompok FULL ini dengan yang terakhir \
            tanpa kelompok FULL sendiri; kelompok ditahan sehingga dijelaskan.",
        remedy_en: "Send the skipped periods first, in their order; confirm the batch with the reason \
            if they cannot be sent.",
        remedy_ms: "Hantar tempoh yang dilangkau dahulu, mengikut urutan; sahkan kelompok berserta \
            sebab jika ia tidak dapat dihantar.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::F027,
        title_en: "Batch cannot be replaced",
        title_ms: "Kelompok tidak boleh diganti",
        message_en: "The batch named in replaces is not the contributor's own or is not of the same \
            period, or a DELTA names a whole book.",
        message_ms: "Kelompok dalam replaces bukan milik penyumbang atau bukan bagi tempoh yang sama, \
            atau DELTA menamakan fail penuh.",
        remedy_en: "Name your own batch of the same dataset and period, and replace a whole book by a \
            FULL or REPLACE; or leave replaces out.",
        remedy_ms: "Nyatakan kelompok anda sendiri bagi set data dan tempoh yang sama, dan gantikan fail \
            penuh dengan FULL atau REPLACE; atau tinggalkan replaces.",
        fields: &[],
        enabled_from: LAUNCH,
        overridable: false,
    },
];
