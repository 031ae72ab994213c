//! File and envelope rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::F001,
        title_en: "Sender not admitted",
        message_en: "The contributor is not active, or its agreement or this credential does not cover \
            the dataset.",
        message_ms: "Penyumbang tidak aktif, atau perjanjian atau kelayakan akses ini tidak meliputi set \
            data tersebut.",
        remedy_en: "Ask the bureau to check the contributor's status, the datasets of its agreement and \
            the scopes of the credential; then send the batch again.",
        remedy_ms: "Minta biro menyemak status penyumbang, set data dalam perjanjian dan skop kelayakan \
            akses; kemudian hantar semula kelompok ini.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F002,
        title_en: "Contract version not open",
        message_en: "The schema_version is unknown or has been retired.",
        message_ms: "schema_version tidak dikenali atau telah ditamatkan.",
        remedy_en: "Use a contract version that is listed as open for the dataset.",
        remedy_ms: "Gunakan versi kontrak yang disenaraikan sebagai terbuka bagi set data ini.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F003,
        title_en: "Digest or length differs",
        message_en: "The digest or the length of the bytes that arrived is not the one that was declared.",
        message_ms: "Nilai cincang atau panjang bait yang diterima tidak sama dengan yang diisytiharkan.",
        remedy_en: "Compute both over the bytes exactly as they are sent, after compression, and send \
            the file again.",
        remedy_ms: "Kira kedua-duanya daripada bait seperti yang dihantar, selepas pemampatan, dan \
            hantar semula fail.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F004,
        title_en: "Bytes not readable",
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
        waits_for: None,
    },
    Rule {
        code: Code::F005,
        title_en: "Unknown or duplicate column",
        message_en: "The file has a column that the contract does not know, or the same column more than \
            once. Unknown columns are named by position.",
        message_ms: "Fail mempunyai lajur yang tidak dikenali oleh kontrak, atau lajur yang sama lebih \
            daripada sekali. Lajur tidak dikenali dinyatakan mengikut kedudukan.",
        remedy_en: "Remove or rename the column, make sure that a header line is present, or have a \
            mapping registered for your native file.",
        remedy_ms: "Buang atau namakan semula lajur itu, pastikan baris pengepala ada, atau daftarkan \
            pemetaan bagi fail asal anda.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F006,
        title_en: "Required column missing",
        message_en: "A column that the contract requires is not in the file.",
        message_ms: "Lajur yang diwajibkan oleh kontrak tiada dalam fail.",
        remedy_en: "Add the column, or have the mapping supply it where every record has the same value.",
        remedy_ms: "Tambah lajur itu, atau biarkan pemetaan membekalkannya jika semua rekod mempunyai \
            nilai yang sama.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F007,
        title_en: "No records",
        message_en: "The file has no records and is not declared as a nil return.",
        message_ms: "Fail tidak mempunyai rekod dan tidak diisytiharkan sebagai penyata kosong.",
        remedy_en: "Check the export; if there is truly nothing to report, declare nil_return.",
        remedy_ms: "Semak eksport anda; jika memang tiada apa-apa untuk dilaporkan, isytiharkan \
            nil_return.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F008,
        title_en: "Record count differs",
        message_en: "The number of records in the file is not the declared record_count.",
        message_ms: "Bilangan rekod dalam fail tidak sama dengan record_count yang diisytiharkan.",
        remedy_en: "Check that the file is whole and that the count excludes the header line; then send \
            it again.",
        remedy_ms: "Pastikan fail lengkap dan kiraan tidak termasuk baris pengepala; kemudian hantar \
            semula.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F009,
        title_en: "Control total differs",
        message_en: "A declared control total is not what the records add up to, or amounts appear both \
            with and without decimals so that their unit is not certain.",
        message_ms: "Jumlah kawalan yang diisytiharkan tidak sama dengan hasil tambah rekod, atau amaun \
            ditulis dengan dan tanpa perpuluhan sehingga unitnya tidak pasti.",
        remedy_en: "Compute the totals from the file itself, in sen, over every record; write amounts in \
            one form and declare the money unit.",
        remedy_ms: "Kira jumlah daripada fail itu sendiri, dalam sen, bagi setiap rekod; tulis amaun \
            dalam satu bentuk dan isytiharkan unit wang.",
        fields: &[Field::Outstanding, Field::Overdue, Field::Status],
        waits_for: None,
    },
    Rule {
        code: Code::F010,
        title_en: "Period end not usable",
        message_en: "The period_end is not a calendar date or lies in the future.",
        message_ms: "period_end bukan tarikh kalendar yang sah atau berada pada masa hadapan.",
        remedy_en: "Give the last day of the reporting period as YYYY-MM-DD, in Malaysian time, and send \
            the batch once the period has ended.",
        remedy_ms: "Berikan hari terakhir tempoh pelaporan sebagai YYYY-MM-DD, mengikut waktu Malaysia, \
            dan hantar kelompok selepas tempoh itu tamat.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F011,
        title_en: "Period closed",
        message_en: "The period ended before the window that is open for submission.",
        message_ms: "Tempoh tersebut berakhir sebelum tetingkap penghantaran yang masih dibuka.",
        remedy_en: "Correct old periods through a correction, or ask the bureau for a back-fill grant.",
        remedy_ms: "Betulkan tempoh lama melalui pembetulan, atau minta kebenaran isian semula daripada \
            biro.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F012,
        title_en: "Idempotency key reused",
        message_en: "The Idempotency-Key was already used for other content.",
        message_ms: "Idempotency-Key ini telah digunakan untuk kandungan lain.",
        remedy_en: "Use a new key for new content; repeat a key only to repeat the same request.",
        remedy_ms: "Gunakan kunci baharu untuk kandungan baharu; ulangi kunci hanya untuk mengulangi \
            permintaan yang sama.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F015,
        title_en: "Another batch under way",
        message_en: "Another FULL or REPLACE batch of the same dataset and period has not come to an end \
            yet.",
        message_ms: "Satu lagi kelompok FULL atau REPLACE bagi set data dan tempoh yang sama masih belum \
            selesai.",
        remedy_en: "Wait for the earlier batch to finish or cancel it; then send this one again.",
        remedy_ms: "Tunggu kelompok terdahulu selesai atau batalkannya; kemudian hantar semula kelompok \
            ini.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F016,
        title_en: "Too large",
        message_en: "The file, its number of records or one of its lines is larger than the documented \
            limit.",
        message_ms: "Fail, bilangan rekod atau salah satu barisnya melebihi had yang didokumenkan.",
        remedy_en: "Split the file into several DELTA batches, and check for a missing line end where a \
            single line is too long.",
        remedy_ms: "Pecahkan fail kepada beberapa kelompok DELTA, dan semak penamat baris yang hilang \
            jika satu baris terlalu panjang.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F017,
        title_en: "Environments mixed",
        message_en: "The declared environment is not the one that the credential belongs to.",
        message_ms: "Persekitaran yang diisytiharkan bukan persekitaran bagi kelayakan akses ini.",
        remedy_en: "Send test data with a test credential and production data with a production \
            credential.",
        remedy_ms: "Hantar data ujian dengan kelayakan ujian dan data sebenar dengan kelayakan \
            pengeluaran.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F018,
        title_en: "Too many records rejected",
        message_en: "A larger share of the records was rejected than the contributor's threshold allows, \
            so the whole file is rejected.",
        message_ms: "Kadar rekod yang ditolak melebihi ambang penyumbang, maka keseluruhan fail ditolak.",
        remedy_en: "Start with the rule that rejected the most records; mend the cause in the export and \
            send the file again.",
        remedy_ms: "Mulakan dengan peraturan yang paling banyak menolak rekod; betulkan puncanya dalam \
            eksport dan hantar semula fail.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F019,
        title_en: "Too many identities rejected",
        message_en: "A larger share of the records was rejected for their identifiers than the \
            contributor's threshold allows, so the whole file is rejected.",
        message_ms: "Kadar rekod yang ditolak kerana nombor pengenalan melebihi ambang penyumbang, maka \
            keseluruhan fail ditolak.",
        remedy_en: "Check that the identity columns are mapped correctly and keep their leading zeros; \
            then send the file again.",
        remedy_ms: "Semak bahawa lajur pengenalan dipetakan dengan betul dan sifar di hadapan \
            dikekalkan; kemudian hantar semula fail.",
        fields: &[],
        waits_for: None,
    },
    Rule {
        code: Code::F027,
        title_en: "Batch cannot be replaced",
        message_en: "The batch named in replaces_batch_id is not the contributor's own or is not of the \
            same period.",
        message_ms: "Kelompok dalam replaces_batch_id bukan milik penyumbang atau bukan bagi tempoh yang \
            sama.",
        remedy_en: "Name your own batch of the same dataset and period, or leave replaces_batch_id out.",
        remedy_ms: "Nyatakan kelompok anda sendiri bagi set data dan tempoh yang sama, atau tinggalkan \
            replaces_batch_id.",
        fields: &[],
        waits_for: None,
    },
];
