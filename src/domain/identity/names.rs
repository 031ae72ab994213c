//! Whether two names can be the same person's (I014). Names never match people here; they only confirm or contradict
//! what an identifier says, and a doubt is not a contradiction.
//!
//! Malaysian names come with titles, with words that say whose child somebody is, with aliases behind `@`, in any order
//! of words, and in many spellings of the same word.

/// A name as words that tell people apart, in the order of the alphabet, without titles and connecting words.
#[derive(Clone, PartialEq, Eq)]
pub struct NormalisedName {
    words: Vec<String>,
    /// Neighbours written together, as some spell them: ABDUL RAHMAN is ABDULRAHMAN.
    joined: Vec<String>,
    latin: bool,
}

impl std::fmt::Debug for NormalisedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NormalisedName({} words)", self.words.len())
    }
}

/// Words of courtesy and rank, and those that connect a name with a parent's. Said by many, they tell nobody apart.
const SILENT: &[&str] = &[
    // Whose child.
    "BIN",
    "BINTI",
    "BINTE",
    "BT",
    "BTE",
    "BTI",
    "B",
    "BN",
    "IBNI",
    "AL",
    "AP",
    "SO",
    "DO",
    "ANAK",
    "AK",
    "LELAKI",
    "PEREMPUAN",
    // Courtesy, rank and learning.
    "MR",
    "MRS",
    "MS",
    "MISS",
    "MADAM",
    "MDM",
    "TUAN",
    "PUAN",
    "ENCIK",
    "EN",
    "CIK",
    "DATO",
    "DATUK",
    "DATIN",
    "DATU",
    "SERI",
    "SRI",
    "TAN SRI",
    "PUAN SRI",
    "TUN",
    "TOH",
    "TENGKU",
    "TUNKU",
    "TG",
    "HAJI",
    "HJ",
    "HAJJAH",
    "HAJAH",
    "HJH",
    "DR",
    "PROF",
    "PROFESSOR",
    "IR",
    "TS",
    "SR",
    "AR",
    "YB",
    "YBHG",
    "YM",
    "USTAZ",
    "USTAZAH",
    // Businesses.
    "SDN",
    "BHD",
    "SENDIRIAN",
    "BERHAD",
    "PLT",
    "ENTERPRISE",
    "TRADING",
    "COMPANY",
    "CO",
    "THE",
];

/// Spellings of one word that are given to very many people: alone they prove nothing.
const COMMON: &[(&str, &str)] = &[
    ("MUHAMMAD", "MUHAMMAD"),
    ("MOHAMMAD", "MUHAMMAD"),
    ("MOHAMED", "MUHAMMAD"),
    ("MOHAMAD", "MUHAMMAD"),
    ("MUHAMAD", "MUHAMMAD"),
    ("MOHAMMED", "MUHAMMAD"),
    ("MUHD", "MUHAMMAD"),
    ("MOHD", "MUHAMMAD"),
    ("MHD", "MUHAMMAD"),
    ("MD", "MUHAMMAD"),
    ("NUR", "NUR"),
    ("NOR", "NUR"),
    ("NOOR", "NUR"),
    ("NURUL", "NUR"),
    ("SITI", "SITI"),
    ("ABDUL", "ABDUL"),
    ("ABD", "ABDUL"),
    ("ABU", "ABU"),
];

/// Letters from which on the beginning of a word may stand for it, and a slip of the pen is forgiven.
const PREFIX: usize = 3;
const ONE_SLIP: usize = 5;
const TWO_SLIPS: usize = 8;

impl NormalisedName {
    pub fn new(name: &str) -> NormalisedName {
        let latin = name.chars().filter(|c| c.is_alphabetic()).all(|c| c.is_ascii() || folded(c).is_some());
        let text = spaced(name);
        let all: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let told = without_silent(&all);
        let joined = told.windows(2).map(<[&str]>::concat).collect();
        let mut words: Vec<String> =
            told.into_iter().map(|word| common(word).unwrap_or(word).to_owned()).collect();
        words.sort_unstable();
        words.dedup();
        NormalisedName { words, joined, latin }
    }

    /// The words in their one order: what a keyed hash of the name is made of.
    pub fn canonical(&self) -> String {
        self.words.join(" ")
    }

    /// Words that are not given to very many people.
    fn rare(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).filter(|word| common(word).is_none()).collect()
    }
}

/// Whether two names clearly cannot be the same person's: no telling word of one is, abbreviates, or nearly spells one of
/// the other. Names of other scripts, and names without a telling word, contradict nothing.
pub fn contradicts(a: &NormalisedName, b: &NormalisedName) -> bool {
    if !a.latin || !b.latin || a.words.is_empty() || b.words.is_empty() {
        return false;
    }
    let (mut of_a, mut of_b) = (a.rare(), b.rare());
    if of_a.is_empty() || of_b.is_empty() {
        // All that one of them has is common: then it has to do.
        of_a = a.words.iter().map(String::as_str).collect();
        of_b = b.words.iter().map(String::as_str).collect();
    }
    let agree = of_a.iter().any(|x| of_b.iter().any(|y| may_be_the_same(x, y)));
    let run_together = of_a.iter().any(|x| b.joined.iter().any(|y| x == y))
        || of_b.iter().any(|y| a.joined.iter().any(|x| x == y));
    !agree && !run_together
}

fn may_be_the_same(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let begins = long.starts_with(short) && (short.len() == 1 || short.len() >= PREFIX);
    let slips = match short.len() {
        TWO_SLIPS.. => 2,
        ONE_SLIP.. => 1,
        _ => 0,
    };
    begins || differs_by_at_most(short, long, slips)
}

/// Edit distance, given up where it exceeds the limit. Words are short ASCII.
fn differs_by_at_most(short: &str, long: &str, limit: usize) -> bool {
    if long.len() - short.len() > limit {
        return false;
    }
    let mut previous: Vec<usize> = (0..=short.len()).collect();
    for (i, x) in long.bytes().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in short.bytes().enumerate() {
            let kept = previous[j] + usize::from(x != y);
            row.push(kept.min(previous[j + 1] + 1).min(row[j] + 1));
        }
        previous = row;
    }
    previous[short.len()] <= limit
}

/// Upper-case letters and digits, single words apart: `a/l` and `s/o` become words of their own, apostrophes vanish.
fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\'' | '’' | '‘' | '`' => {}
            '/' if text.ends_with(['A', 'S', 'D']) => {}
            c if c.is_ascii_alphanumeric() => text.push(c.to_ascii_uppercase()),
            c => text.push_str(folded(c).unwrap_or(" ")),
        }
    }
    text
}

/// Accented letters of Latin script without their accent.
fn folded(c: char) -> Option<&'static str> {
    Some(match c {
        'À'..='Å' | 'à'..='å' | 'Ā' | 'ā' => "A",
        'Ç' | 'ç' => "C",
        'È'..='Ë' | 'è'..='ë' | 'Ē' | 'ē' => "E",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ī' | 'ī' => "I",
        'Ñ' | 'ñ' => "N",
        'Ò'..='Ö' | 'ò'..='ö' | 'Ø' | 'ø' | 'Ō' | 'ō' => "O",
        'Ù'..='Ü' | 'ù'..='ü' | 'Ū' | 'ū' => "U",
        'Ý' | 'ý' | 'ÿ' => "Y",
        _ => return None,
    })
}

/// Leaves titles and connecting words out, two-word titles first: TAN alone is a family.
fn without_silent<'a>(all: &[&'a str]) -> Vec<&'a str> {
    let mut told = Vec::with_capacity(all.len());
    let mut rest = all;
    while let [word, tail @ ..] = rest {
        let title_of_two =
            tail.first().is_some_and(|next| SILENT.contains(&format!("{word} {next}").as_str()));
        rest = if title_of_two { &tail[1..] } else { tail };
        if !title_of_two && !SILENT.contains(word) {
            told.push(*word);
        }
    }
    told
}

fn common(word: &str) -> Option<&'static str> {
    COMMON.iter().find(|(spelling, _)| *spelling == word).map(|(_, word)| *word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contradict(a: &str, b: &str) -> bool {
        contradicts(&NormalisedName::new(a), &NormalisedName::new(b))
    }

    #[test]
    fn a_name_loses_titles_connections_case_and_order() {
        for (name, expected) in [
            ("Ahmad bin Ali", "AHMAD ALI"),
            ("ALI, AHMAD B.", "AHMAD ALI"),
            ("Dato' Seri Hj. Ahmad b. Ali", "AHMAD ALI"),
            ("Tan Sri Dr. Lim Wee Chong", "CHONG LIM WEE"),
            ("Tan Wee Chong", "CHONG TAN WEE"),
            ("Datin Siti Aminah bt. Mohd. Yusof", "AMINAH MUHAMMAD SITI YUSOF"),
            ("SELVAM A/L MUTHUSAMY", "MUTHUSAMY SELVAM"),
            ("Kamala d/o Krishnan", "KAMALA KRISHNAN"),
            ("Jimbun anak Lelaki Bujang", "BUJANG JIMBUN"),
            ("Lee Mei Ling @ Fatimah", "FATIMAH LEE LING MEI"),
            ("José  Nuñez-Ramos", "JOSE NUNEZ RAMOS"),
            ("Kedai Maju Sdn. Bhd.", "KEDAI MAJU"),
            ("Dr.", ""),
        ] {
            assert_eq!(NormalisedName::new(name).canonical(), expected, "{name}");
        }
    }

    #[test]
    fn the_same_person_in_another_spelling_is_no_contradiction() {
        for (a, b) in [
            ("Ahmad bin Ali", "ALI AHMAD"),
            ("Muhammad Hafiz bin Ismail", "Mohd Hafiz Ismail"),
            ("Abdul Rahman bin Yusof", "ABDULRAHMAN YUSUF"),
            ("Siti Aishah binti Omar", "Siti Aisyah"),
            ("S. Kumar", "Selvam a/l Muthu"),
            ("Muthu", "Muthusamy a/l Raju"),
            ("Lee Mei Ling @ Fatimah", "Fatimah binti Abdullah"),
            ("Tan Ah Kow", "TAN MEI LING"),
            ("Jeyakumar", "JAYAKUMAR"),
            ("Chandrasekaran", "Chandarasegaran"),
            ("Dato' Dr.", "Ahmad bin Ali"),
            ("陳大文", "Tan Ah Kow"),
            ("Mohd", "Muhammad Hafiz"),
            ("Nur binti Abdul", "Noor"),
        ] {
            assert!(!contradict(a, b) && !contradict(b, a), "{a} / {b}");
        }
    }

    #[test]
    fn names_without_a_telling_word_in_common_contradict() {
        for (a, b) in [
            ("Ahmad bin Ali", "Siti Aminah binti Yusof"),
            ("Mohd Razak bin Osman", "Muhammad Hafiz bin Ismail"),
            ("Nur Aisyah binti Kamal", "Nor Hidayah binti Rosli"),
            ("Tan Ah Kow", "Selvam a/l Muthusamy"),
            ("Dato' Lim Wee", "Dato' Ong Boon"),
            ("Jimbun anak Bujang", "Lee Chong Wei"),
            ("Kedai Maju Sdn Bhd", "Restoran Sedap Sdn Bhd"),
            ("Ali bin Abu", "Omar bin Abu"),
        ] {
            assert!(contradict(a, b) && contradict(b, a), "{a} / {b}");
        }
    }

    proptest! {
        #[test]
        fn nobody_contradicts_themselves_whatever_the_order_and_case(
            words in prop::collection::vec("[A-Za-z]{1,12}", 1..6), turn in 0_usize..6
        ) {
            let name = words.join(" ");
            let mut turned = words.clone();
            turned.rotate_left(turn % words.len());
            let turned = turned.join(" ").to_lowercase();
            prop_assert!(!contradict(&name, &turned));
        }

        #[test]
        fn contradiction_is_mutual_and_any_text_is_a_name(a in "\\PC{0,40}", b in "\\PC{0,40}") {
            prop_assert_eq!(contradict(&a, &b), contradict(&b, &a));
        }
    }
}
