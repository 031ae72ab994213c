//! Identity rules: texts.

use crate::domain::contract::Field;
use crate::domain::rules::Code;

use super::{LAUNCH, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: Code::I001,
        title_en: "NRIC not twelve digits",
        title_ms: "NRIC bukan dua belas angka",
        message_en: "The NRIC does not have twelve digits.",
        message_ms: "NRIC tidak mempunyai dua belas angka.",
        remedy_en: "Send all twelve digits as text, with leading zeros; use OLD_IC for an old identity \
            card.",
        remedy_ms: "Hantar kesemua dua belas angka sebagai teks, termasuk sifar di hadapan; gunakan \
            OLD_IC bagi kad pengenalan lama.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I002,
        title_en: "NRIC date impossible",
        title_ms: "Tarikh NRIC mustahil",
        message_en: "The first six digits of the NRIC are not a date in any century.",
        message_ms: "Enam angka pertama NRIC bukan tarikh dalam mana-mana abad.",
        remedy_en: "Check the number against the identity document.",
        remedy_ms: "Semak nombor itu dengan dokumen pengenalan.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I003,
        title_en: "NRIC place code unassigned",
        title_ms: "Kod tempat NRIC tidak diperuntukkan",
        message_en: "The seventh and eighth digits of the NRIC are not an assigned place code.",
        message_ms: "Angka ketujuh dan kelapan NRIC bukan kod tempat yang diperuntukkan.",
        remedy_en: "Check the number against the identity document.",
        remedy_ms: "Semak nombor itu dengan dokumen pengenalan.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I004,
        title_en: "Date of birth differs from the NRIC",
        title_ms: "Tarikh lahir berbeza daripada NRIC",
        message_en: "The date_of_birth is not the date in the NRIC.",
        message_ms: "date_of_birth tidak sama dengan tarikh dalam NRIC.",
        remedy_en: "Check both against the identity document; leave them where the document itself \
            differs.",
        remedy_ms: "Semak kedua-duanya dengan dokumen pengenalan; kekalkan jika dokumen itu sendiri \
            berbeza.",
        fields: &[Field::DateOfBirth, Field::IdNumber],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::I005,
        title_en: "Dummy identifier",
        title_ms: "Nombor pengenalan rekaan",
        message_en: "The identifier looks made up: its digits repeat, run in sequence or end in four \
            zeros.",
        message_ms: "Nombor pengenalan kelihatan direka: angkanya berulang, berturutan atau berakhir \
            dengan empat sifar.",
        remedy_en: "Send the person's real identifier; an account without one cannot be reported.",
        remedy_ms: "Hantar nombor pengenalan sebenar orang itu; akaun tanpa nombor pengenalan tidak \
            boleh dilaporkan.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I006,
        title_en: "Old identity card number not in form",
        title_ms: "Nombor kad pengenalan lama tidak mengikut bentuk",
        message_en: "The old identity card number is not up to two letters followed by six to eight \
            digits.",
        message_ms: "Nombor kad pengenalan lama bukan sehingga dua huruf diikuti enam hingga lapan angka.",
        remedy_en: "Check the number and its type, and send the NRIC where there is one.",
        remedy_ms: "Semak nombor dan jenisnya, dan hantar NRIC jika ada.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I007,
        title_en: "Passport not in form or without country",
        title_ms: "Pasport tidak mengikut bentuk atau tanpa negara",
        message_en: "The passport number is not five to twenty letters and digits, or its country of \
            issue is missing.",
        message_ms: "Nombor pasport bukan lima hingga dua puluh huruf dan angka, atau negara pengeluarnya \
            tiada.",
        remedy_en: "Send the number without spaces and the country as three letters of ISO 3166.",
        remedy_ms: "Hantar nombor tanpa ruang dan negara sebagai tiga huruf ISO 3166.",
        fields: &[Field::IdNumber, Field::IdCountry, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I008,
        title_en: "Army or police number not in form",
        title_ms: "Nombor tentera atau polis tidak mengikut bentuk",
        message_en: "The army or police number is not four to twenty letters and digits.",
        message_ms: "Nombor tentera atau polis bukan empat hingga dua puluh huruf dan angka.",
        remedy_en: "Check the number against the service card.",
        remedy_ms: "Semak nombor itu dengan kad perkhidmatan.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I009,
        title_en: "Army or police number without NRIC",
        title_ms: "Nombor tentera atau polis tanpa NRIC",
        message_en: "An army or police number comes without an NRIC as the secondary identifier.",
        message_ms: "Nombor tentera atau polis dihantar tanpa NRIC sebagai pengenalan kedua.",
        remedy_en: "Send the NRIC as the secondary identifier where it is known.",
        remedy_ms: "Hantar NRIC sebagai pengenalan kedua jika diketahui.",
        fields: &[Field::SecondaryIdType, Field::SecondaryIdNumber, Field::IdType],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::I010,
        title_en: "Business registration number not in form",
        title_ms: "Nombor pendaftaran perniagaan tidak mengikut bentuk",
        message_en: "The business registration number is not twelve digits that begin with a year and a \
            known type of entity.",
        message_ms: "Nombor pendaftaran perniagaan bukan dua belas angka yang bermula dengan tahun dan \
            jenis entiti yang dikenali.",
        remedy_en: "Send the new number of the SSM, or use BRN_OLD for the old one.",
        remedy_ms: "Hantar nombor baharu SSM, atau gunakan BRN_OLD bagi nombor lama.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I011,
        title_en: "Old registration number not in form",
        title_ms: "Nombor pendaftaran lama tidak mengikut bentuk",
        message_en: "The old business registration number cannot be read.",
        message_ms: "Nombor pendaftaran perniagaan lama tidak dapat dibaca.",
        remedy_en: "Send the number as SSM printed it, with its check letter, or use the new number as \
            BRN.",
        remedy_ms: "Hantar nombor seperti yang dicetak oleh SSM, dengan huruf semaknya, atau gunakan \
            nombor baharu sebagai BRN.",
        fields: &[Field::IdNumber, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I012,
        title_en: "Identifier of another kind of subject",
        title_ms: "Pengenalan bagi jenis subjek lain",
        message_en: "The id_type does not belong to the subject_type: a person has no registration \
            number, and a business has no identity card.",
        message_ms: "id_type tidak sepadan dengan subject_type: individu tiada nombor pendaftaran, dan \
            perniagaan tiada kad pengenalan.",
        remedy_en: "Correct the one that is wrong; report a sole proprietor as the kind of subject that \
            owes the debt.",
        remedy_ms: "Betulkan yang salah; laporkan pemilik tunggal mengikut jenis subjek yang menanggung \
            hutang.",
        fields: &[Field::IdType, Field::SubjectType],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I013,
        title_en: "Minor at opening",
        title_ms: "Bawah umur semasa akaun dibuka",
        message_en: "The person was under eighteen when the account was opened.",
        message_ms: "Orang itu berumur bawah lapan belas tahun semasa akaun dibuka.",
        remedy_en: "Check identifier, date of birth and opened_date; accounts of minors are not \
            reported.",
        remedy_ms: "Semak nombor pengenalan, tarikh lahir dan opened_date; akaun kanak-kanak bawah umur \
            tidak dilaporkan.",
        fields: &[Field::IdNumber, Field::DateOfBirth, Field::OpenedDate],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I014,
        title_en: "Name contradicts the identifier",
        title_ms: "Nama bercanggah dengan nombor pengenalan",
        message_en: "The full_name has nothing in common with the name that is known for this \
            identifier. The record waits for an identity review and is not served until then.",
        message_ms: "full_name tiada persamaan dengan nama yang diketahui bagi nombor pengenalan ini. \
            Rekod menunggu semakan identiti dan tidak disajikan sehingga itu.",
        remedy_en: "Check identifier and name against the identity document; send the record again if \
            one was wrong, or confirm the batch with the reason, such as a change of name.",
        remedy_ms: "Semak nombor pengenalan dan nama dengan dokumen pengenalan; hantar semula rekod \
            jika salah satunya silap, atau sahkan kelompok berserta sebab, seperti pertukaran nama.",
        fields: &[Field::FullName, Field::IdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I015,
        title_en: "Account bound to another subject",
        title_ms: "Akaun terikat pada subjek lain",
        message_en: "The account_ref already belongs to another primary holder, in this batch or in what \
            was accepted before.",
        message_ms: "account_ref telah menjadi milik pemegang utama lain, dalam kelompok ini atau dalam \
            data yang diterima sebelum ini.",
        remedy_en: "Never give a reference to another account. If the holder was wrong, send a re-key \
            correction.",
        remedy_ms: "Jangan sekali-kali gunakan semula rujukan untuk akaun lain. Jika pemegangnya salah, \
            hantar pembetulan penukaran subjek.",
        fields: &[Field::AccountRef, Field::IdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
    Rule {
        code: Code::I016,
        title_en: "One identifier on many records",
        title_ms: "Satu nombor pengenalan pada banyak rekod",
        message_en: "One identifier stands on more than fifty records of the batch, which is held until \
            this is explained.",
        message_ms: "Satu nombor pengenalan terdapat pada lebih daripada lima puluh rekod dalam kelompok, \
            yang ditahan sehingga hal ini dijelaskan.",
        remedy_en: "Check for a placeholder or a fixed value in the export; confirm the batch if the \
            subject truly has so many records.",
        remedy_ms: "Semak nilai pengganti atau nilai tetap dalam eksport; sahkan kelompok jika subjek \
            memang mempunyai rekod sebanyak itu.",
        fields: &[Field::IdNumber],
        enabled_from: LAUNCH,
        overridable: true,
    },
    Rule {
        code: Code::I017,
        title_en: "Secondary identifier contradicts",
        title_ms: "Pengenalan kedua bercanggah",
        message_en: "The secondary identifier is known to belong to another subject.",
        message_ms: "Pengenalan kedua diketahui milik subjek lain.",
        remedy_en: "Check both identifiers against the documents of the person.",
        remedy_ms: "Semak kedua-dua nombor pengenalan dengan dokumen orang tersebut.",
        fields: &[Field::SecondaryIdType, Field::SecondaryIdNumber],
        enabled_from: LAUNCH,
        overridable: false,
    },
];
